"""One event of the simulated account: what happened to which object, and its body in Stripe's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from cogento.local.stripe.differences import previous_attributes
from cogento.local.stripe.objects import StripeObject
from cogento.local.stripe.shapes import object_json

INDENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
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


def event_json(event: Event, *, pending_webhooks: int, api_version: str | None = None) -> dict[str, Any]:
    """The event, rendered in the version it happened under or, for an endpoint with its own, in that one."""
    version = api_version or event.api_version
    return {
        "id": event.id,
        "object": "event",
        "api_version": version,
        "created": event.created,
        "data": _data(event, version),
        "livemode": False,
        "pending_webhooks": pending_webhooks,
        "request": {"id": event.request_id, "idempotency_key": None},
        "type": event.type,
    }


def webhook_body(event: Event, *, api_version: str | None = None) -> bytes:
    """The exact bytes that a webhook carries."""
    return indented(event_json(event, pending_webhooks=1, api_version=api_version))


def indented(document: Any) -> bytes:
    """JSON as Stripe lays it out, two spaces deep."""
    return msgspec.json.format(msgspec.json.encode(document), indent=INDENT)


def _data(event: Event, api_version: str) -> dict[str, Any]:
    state = object_json(event.state, api_version)
    if event.before is None:
        return {"object": state}
    before = object_json(event.before, api_version)
    return {"object": state, "previous_attributes": previous_attributes(before, state)}
