"""An envelope: one verified event and whose it is, read without looking at what is inside.

Reads only what routing needs (id, type, created, livemode, account, object, customer). The raw bytes
travel on unchanged; what is checked here is what is stored. Knows nothing of HTTP or Redis.
"""

from __future__ import annotations

from dataclasses import dataclass

from events.names import CustomerId, EventId, ObjectId


@dataclass(frozen=True, slots=True)
class Envelope:
    """One Stripe event as signed: `created` in Unix seconds, `body` the exact bytes."""

    event_id: EventId
    type: str
    created: int
    livemode: bool | None
    account: str | None
    object_id: ObjectId
    customer_id: CustomerId
    body: bytes


def open_envelope(body: bytes, *, now: int) -> Envelope:
    """Read the envelope of a signed body, strictly; `now` is in Unix seconds.

    Raises RejectedError(code="malformed") for anything that is not one strict JSON event
    (SECURITY: B41 to B50, B62, B63).
    """
    raise NotImplementedError
