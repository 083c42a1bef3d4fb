"""Thin events of the simulated account: what a destination gets that asked for notifications without the object."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from cogento.local.stripe.event import indented
from cogento.local.stripe.objects import Customer

if TYPE_CHECKING:
    from cogento.local.stripe.event import Event


def thin_id(event: Event) -> str:
    """The id of its thin twin: another one than the snapshot event's."""
    return f"evt_test_{event.id.removeprefix('evt_')}"


def thin_body(event: Event) -> bytes:
    """The exact bytes that a webhook carries; the time has milliseconds, which say no more than the second."""
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
