"""One stored event read whole: a snapshot event ready for the order and the tables, or a thin event.

A thin event only names an object that Stripe has to be asked for. Knows nothing of what is already stored.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from cogento.events import fields
from cogento.events.envelope import ANY_TIME, Envelope, Whole, parse_envelope, parse_whole
from cogento.events.errors import PermanentError, RejectedError
from cogento.events.fields import Json
from cogento.events.kinds import is_deletion, kind_of, kind_of_thin
from cogento.events.kinds.kind import Columns, Kind
from cogento.events.letters import LetterReason
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.events.projection import version_of
from cogento.events.thin import is_thin, read_thin
from cogento.events.versions import Version

_STATUS = re.compile(r"[a-z_]{1,40}")


class StatusChange(NamedTuple):
    """An object's status before and after an event, in Stripe's words, as far as the event says.

    Both are None where it says another change, and for customers, who have no status.
    """

    before: str | None = None
    after: str | None = None

    def __str__(self) -> str:
        """Both as people read them, `past_due → active`."""
        return " → ".join(filter(None, self))


class Event(msgspec.Struct, frozen=True):
    """A whole event: `columns` are what a row would show, `version` is its evidence of order."""

    id: EventId
    type: str
    created: int
    kind: Kind
    object_id: ObjectId
    customer_id: CustomerId
    columns: Columns
    version: Version
    status_change: StatusChange = StatusChange()


class Notice(msgspec.Struct, frozen=True):
    """One thin event: which object it names, when that changed (Unix seconds), and whether it ended then.

    `customer_id` names the mailbox that held it, which is named after its object. `body` are the exact bytes.
    """

    id: EventId
    type: str
    created: int
    kind: Kind
    object_id: ObjectId
    customer_id: CustomerId
    ends: bool
    livemode: bool | None
    body: bytes
    status_change: StatusChange = StatusChange()


def read_stored_event(body: bytes) -> Event | Notice:
    """Read a stored body whole, whatever it is; raises PermanentError as `read_event` does."""
    try:
        return read_event(body)
    except PermanentError:  # thin events are rare: to search every body for their mark would take longer
        if is_thin(body):
            return read_notice(body)
        raise


def read_event(body: bytes) -> Event:
    """Read a stored body whole.

    Raises PermanentError(reason="malformed") when the object is not what the type says or holds
    impossible values, and PermanentError(reason="unknown_type") for a type that has no table.
    """
    whole, envelope = _open(body)
    kind = kind_of(envelope.type)
    if kind is None:
        raise PermanentError(LetterReason.UNKNOWN_TYPE, f"events of type {envelope.type} have no table")
    obj = whole.data.object
    if obj.get("object") != kind.name:
        fields.malformed(f"the event is about a {kind} and carries something else")
    columns = _columns(kind, envelope.type, obj)
    return Event(
        id=envelope.event_id,
        type=envelope.type,
        created=envelope.created,
        kind=kind,
        object_id=envelope.object_id,
        customer_id=envelope.customer_id,
        columns=columns,
        version=_version(kind, envelope, whole, columns),
        status_change=_status_change(kind, whole),
    )


def read_status_change(body: bytes) -> StatusChange:
    """Read how a stored event changes its object's status; other fields may be malformed."""
    try:
        whole, _ = parse_whole(body, now=ANY_TIME)
    except RejectedError:
        return StatusChange()
    kind = kind_of(whole.type)
    return StatusChange() if kind is None else _status_change(kind, whole)


def read_notice(body: bytes) -> Notice:
    """Read a thin event.

    Raises PermanentError(reason="malformed") when it names an object of another kind than its type says, and
    PermanentError(reason="unknown_type") when objects of its type have no table.
    """
    try:
        envelope = parse_envelope(body, now=ANY_TIME)
    except RejectedError as error:
        fields.malformed(error.message)
    kind = kind_of_thin(envelope.type)
    if kind is None:
        raise PermanentError(LetterReason.UNKNOWN_TYPE, f"events of type {envelope.type} have no table")
    related = read_thin(body).related_object
    if related is None or related.type != kind.name:
        fields.malformed(f"the event is about a {kind} and names something else")
    return Notice(
        id=envelope.event_id,
        type=envelope.type,
        created=envelope.created,
        kind=kind,
        object_id=envelope.object_id,
        customer_id=envelope.customer_id,
        ends=is_deletion(envelope.type),
        livemode=envelope.livemode,
        body=body,
    )


def _open(body: bytes) -> tuple[Whole, Envelope]:
    """Read a stored body again: what Redis held may not be what the receiver put there.

    The receiver has compared `created` with its clock; here any time that a table can hold is accepted.
    """
    try:
        return parse_whole(body, now=ANY_TIME)
    except RejectedError as error:
        raise PermanentError(LetterReason.MALFORMED, error.message) from error


def _columns(kind: Kind, type_: str, obj: Json) -> Columns:
    if kind.read_deleted is None:
        return kind.read(obj)
    if type_ == kind.deletion or (type_ == kind.fetched and obj.get("deleted") is True):
        return kind.read_deleted(obj)
    if obj.get("deleted"):
        fields.malformed(f"the {kind} is deleted and the event is {type_}")
    return kind.read(obj)


def _status_change(kind: Kind, whole: Whole) -> StatusChange:
    previous = whole.data.previous_attributes
    changed = previous if isinstance(previous, dict) else {}
    if changed and kind.ended_by not in changed:
        return StatusChange()
    return StatusChange(_status(changed.get(kind.ended_by)), _status(whole.data.object.get(kind.ended_by)))


def _status(value: Any) -> str | None:
    return value if isinstance(value, str) and _STATUS.fullmatch(value) else None


def _version(kind: Kind, envelope: Envelope, whole: Whole, columns: Columns) -> Version:
    previous = whole.data.previous_attributes
    if not (whole.api_version is None or isinstance(whole.api_version, str)):
        fields.malformed("`api_version` is not a string")
    if not (previous is None or isinstance(previous, dict)):
        fields.malformed("`previous_attributes` is not an object")
    return version_of(
        kind,
        event_id=envelope.event_id,
        type_=envelope.type,
        created=envelope.created,
        obj=whole.data.object,
        previous_attributes=previous,
        columns=columns,
        request=whole.request,
    )
