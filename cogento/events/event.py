"""One stored event read whole: a snapshot event ready for the order and the tables, or a thin event.

A thin event only says of which object Stripe has to be asked. Knows nothing of what is already stored.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from cogento.events import fields
from cogento.events.columns import (
    CustomerColumns,
    SubscriptionColumns,
    deleted_customer,
    live_customer,
    read_subscription,
)
from cogento.events.envelope import (
    ANY_TIME,
    FETCHED,
    Envelope,
    Whole,
    has_snapshot,
    is_about_subscription,
    is_notice,
    parse_envelope,
    parse_whole,
)
from cogento.events.errors import PermanentError, RejectedError
from cogento.events.fields import Json
from cogento.events.letters import LetterReason
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.events.projection import version_of
from cogento.events.thin import PREFIX, is_deletion, is_thin, read_thin
from cogento.events.versions import Version

_DELETED_CUSTOMER = "customer.deleted"


class ObjectKind(StrEnum):
    """The Stripe objects that have a table."""

    CUSTOMER = "customer"
    SUBSCRIPTION = "subscription"


class Event(msgspec.Struct, frozen=True):
    """A whole event: `columns` are what a row would show, `version` is its evidence of order."""

    id: EventId
    type: str
    created: int
    kind: ObjectKind
    object_id: ObjectId
    customer_id: CustomerId
    columns: CustomerColumns | SubscriptionColumns
    version: Version


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


def read_stored_event(body: bytes) -> Event | Notice:
    """Read a stored body whole, whatever it is; raises PermanentError as `read_event` does."""
    return read_notice(body) if is_thin(body) else read_event(body)


def read_event(body: bytes) -> Event:
    """Read a stored body whole.

    Raises PermanentError(reason="malformed") when the object is not what the type says or holds
    impossible values, and PermanentError(reason="unknown_type") for a type that has no table.
    """
    whole, envelope = _open(body)
    if not has_snapshot(envelope.type):
        raise PermanentError(LetterReason.UNKNOWN_TYPE, f"events of type {envelope.type} have no table")
    kind = kind_of(envelope.type)
    obj = whole.data.object
    if obj.get("object") != kind:
        fields.malformed(f"the event is about a {kind} and carries something else")
    columns = _columns(envelope.type, obj)
    return Event(
        id=envelope.event_id,
        type=envelope.type,
        created=envelope.created,
        kind=kind,
        object_id=envelope.object_id,
        customer_id=envelope.customer_id,
        columns=columns,
        version=_version(envelope, whole, columns),
    )


def read_notice(body: bytes) -> Notice:
    """Read a thin event.

    Raises PermanentError(reason="malformed") when it names another object than its type says, and
    PermanentError(reason="unknown_type") when none of its type has a table.
    """
    try:
        envelope = parse_envelope(body, now=ANY_TIME)
    except RejectedError as error:
        fields.malformed(error.message)
    if not is_notice(envelope.type):
        raise PermanentError(LetterReason.UNKNOWN_TYPE, f"events of type {envelope.type} have no table")
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
        ends=is_deletion(envelope.type),
        livemode=envelope.livemode,
        body=body,
    )


def _open(body: bytes) -> tuple[Whole, Envelope]:
    """Open a stored body again: what Redis held may not be what the receiver put there.

    The receiver compared `created` with its clock; here every time that a table can hold will do.
    """
    try:
        return parse_whole(body, now=ANY_TIME)
    except RejectedError as error:
        raise PermanentError(LetterReason.MALFORMED, error.message) from error


def kind_of(type_: str) -> ObjectKind:
    """Say what an event of a type that has a table is about."""
    return ObjectKind.SUBSCRIPTION if is_about_subscription(type_) else ObjectKind.CUSTOMER


def _columns(type_: str, obj: Json) -> CustomerColumns | SubscriptionColumns:
    if is_about_subscription(type_):
        return read_subscription(obj)
    is_deleted = obj.get("deleted") is True
    if type_ == _DELETED_CUSTOMER or (is_deleted and type_.endswith(FETCHED)):
        return deleted_customer(obj)
    if obj.get("deleted"):
        fields.malformed(f"the customer is deleted and the event is {type_}")
    return live_customer(obj)


def _version(envelope: Envelope, whole: Whole, columns: CustomerColumns | SubscriptionColumns) -> Version:
    previous = whole.data.previous_attributes
    if not (whole.api_version is None or isinstance(whole.api_version, str)):
        fields.malformed("`api_version` is no text")
    if not (previous is None or isinstance(previous, dict)):
        fields.malformed("`previous_attributes` is no object")
    return version_of(
        event_id=envelope.event_id,
        type_=envelope.type,
        created=envelope.created,
        api_version=whole.api_version,
        obj=whole.data.object,
        previous_attributes=previous,
        columns=columns,
        request=whole.request,
    )
