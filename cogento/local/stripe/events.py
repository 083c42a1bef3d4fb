"""Events of the simulated account, and their bodies in Stripe's words: whole snapshots, or thin ones that only name an object."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from cogento.local.stripe.objects import Customer, StripeObject
from cogento.local.stripe.shapes import object_json

INDENT = 2


class Payloads(enum.StrEnum):
    """What webhooks carry: whole objects, only their names, or one webhook of each kind."""

    SNAPSHOT = "snapshot"
    THIN = "thin"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvent:
    """A snapshot event; `sequence` is its place in the true order, `created` what Stripe stamped on it.

    `before` is the state that an update left, and None for every type without previous_attributes.
    """

    sequence: int
    id: str
    type: str
    created: int
    state: StripeObject
    before: StripeObject | None
    api_version: str
    request_id: str | None

    @property
    def object_id(self) -> str:
        """The object it is about."""
        return self.state.id


def event_json(
    event: AccountEvent, *, pending_webhooks: int, api_version: str | None = None
) -> dict[str, Any]:
    """The event as JSON, in the API version in force when it happened or, for an endpoint with its own version, in that one."""
    version = api_version or event.api_version
    state = object_json(event.state, version)
    data: dict[str, Any] = {"object": state}
    if event.before is not None:
        data["previous_attributes"] = previous_attributes(object_json(event.before, version), state)
    return {
        "id": event.id,
        "object": "event",
        "api_version": version,
        "created": event.created,
        "data": data,
        "livemode": False,
        "pending_webhooks": pending_webhooks,
        "request": {"id": event.request_id, "idempotency_key": None},
        "type": event.type,
    }


def webhook_body(event: AccountEvent, *, api_version: str | None = None) -> bytes:
    """The exact bytes that a webhook carries."""
    return indented(event_json(event, pending_webhooks=1, api_version=api_version))


def indented(document: Any) -> bytes:
    """JSON as Stripe lays it out, two spaces deep."""
    return msgspec.json.format(msgspec.json.encode(document), indent=INDENT)


def previous_attributes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The old values of what an update changed, as Stripe writes them; empty when nothing did.

    Hashes are written partially and recursively, arrays whole, a list object as a hash that holds its `data`,
    and null stands for what was absent. An object replaced by another one (a plan) is written whole.
    """
    changed: dict[str, Any] = {}
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        changed[key] = old
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            is_replaced = "object" in old and old.get("id") != new.get("id")
            changed[key] = old if is_replaced else previous_attributes(old, new)
    return changed


def thin_id(event: AccountEvent) -> str:
    """The id of its thin twin, which differs from the snapshot event's."""
    return f"evt_test_{event.id.removeprefix('evt_')}"


def thin_body(event: AccountEvent) -> bytes:
    """The exact bytes of a webhook to a destination for thin events; the time has milliseconds, always 0."""
    kind, path = (
        ("customer", "customers") if isinstance(event.state, Customer) else ("subscription", "subscriptions")
    )
    created = dt.datetime.fromtimestamp(event.created, dt.UTC)
    return indented(
        {
            "id": thin_id(event),
            "object": "v2.core.event",
            "type": f"v1.{event.type}",
            "livemode": False,
            "created": f"{created:%Y-%m-%dT%H:%M:%S}.000Z",
            "reason": {"type": "request", "request": {"id": event.request_id or "", "idempotency_key": ""}},
            "related_object": {"id": event.object_id, "type": kind, "url": f"/v1/{path}/{event.object_id}"},
        }
    )
