"""A notice: a thin event as a worker takes it. It says of which object Stripe has to be asked.

Knows nothing of how and when that is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cogento.events import fields
from cogento.events.envelope import ANY_TIME, is_notice, open_envelope
from cogento.events.errors import PermanentError, RejectedError
from cogento.events.event import UNKNOWN_TYPE, Event, ObjectKind, kind_of, read_event
from cogento.events.thin import PREFIX, is_thin, read_thin, tells_of_end

if TYPE_CHECKING:
    from cogento.events.envelope import Envelope
    from cogento.events.names import CustomerId, EventId, ObjectId


class Notice(msgspec.Struct, frozen=True):
    """One thin event: of which object it tells, when that changed (Unix seconds), and whether it ended then.

    `customer_id` names the mailbox that it lay in, its object's own. `body` are the exact bytes.
    """

    id: EventId
    type: str
    created: int
    kind: ObjectKind
    object_id: ObjectId
    customer_id: CustomerId
    ends: bool
    livemode: bool | None
    body: bytes


def read_mail(body: bytes) -> Event | Notice:
    """Read a stored body whole, whatever it is; raises PermanentError as `read_event` does."""
    return read_notice(body) if is_thin(body) else read_event(body)


def read_notice(body: bytes) -> Notice:
    """Read a thin event.

    Raises PermanentError(reason="malformed") when it names another object than its type says, and
    PermanentError(reason="unknown_type") when none of its type has a table.
    """
    envelope = _open(body)
    if not is_notice(envelope.type):
        raise PermanentError(UNKNOWN_TYPE, f"events of type {envelope.type} have no table")
    kind = kind_of(envelope.type.removeprefix(PREFIX))
    related = read_thin(body).related_object
    if related is None or related.type != kind:
        fields.malformed(f"the event is about a {kind} and names something else")
    return Notice(
        id=envelope.event_id,
        type=envelope.type,
        created=envelope.created,
        kind=kind,
        object_id=envelope.object_id,
        customer_id=envelope.customer_id,
        ends=tells_of_end(envelope.type),
        livemode=envelope.livemode,
        body=body,
    )


def _open(body: bytes) -> Envelope:
    try:
        return open_envelope(body, now=ANY_TIME)
    except RejectedError as error:
        fields.malformed(error.message)
