"""One event read whole: what it says of which object, ready for the order and for the tables.

Knows the shapes of Stripe's payloads in every API version we meet. Knows
nothing of what is already stored.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from events import fields
from events.columns import CustomerColumns, SubscriptionColumns
from events.customer import deleted_customer, live_customer
from events.envelope import ANY_TIME, FETCHED, Envelope, has_snapshot, is_about_subscription, open_whole
from events.errors import PermanentError, RejectedError
from events.fields import Json
from events.names import CustomerId, EventId, ObjectId
from events.ordering import Version
from events.projection import version_of
from events.subscription import read_subscription

UNKNOWN_TYPE = "unknown_type"

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


def read_event(body: bytes) -> Event:
    """Read a stored body whole.

    Raises PermanentError(reason="malformed") when the object is not what the type says or holds
    impossible values, and PermanentError(reason="unknown_type") for a type that has no table.
    """
    document, envelope = _open(body)
    if not has_snapshot(envelope.type):
        raise PermanentError(UNKNOWN_TYPE, f"events of type {envelope.type} have no table")
    kind = kind_of(envelope.type)
    obj = _object(document, kind)
    columns = _columns(envelope.type, obj)
    return Event(
        id=envelope.event_id,
        type=envelope.type,
        created=envelope.created,
        kind=kind,
        object_id=envelope.object_id,
        customer_id=envelope.customer_id,
        columns=columns,
        version=_version(envelope, document, columns),
    )


def _open(body: bytes) -> tuple[Json, Envelope]:
    """Open a stored body again: what Redis held may not be what the receiver put there.

    The receiver compared `created` with its clock; here every time that a table can hold will do.
    """
    try:
        return open_whole(body, now=ANY_TIME)
    except RejectedError as error:
        raise PermanentError(fields.MALFORMED, error.message) from error


def kind_of(type_: str) -> ObjectKind:
    """Say what an event of a type that has a table is about."""
    return ObjectKind.SUBSCRIPTION if is_about_subscription(type_) else ObjectKind.CUSTOMER


def _object(document: Json, kind: ObjectKind) -> Json:
    obj: Json = document["data"]["object"]
    if obj.get("object") != kind:
        fields.malformed(f"the event is about a {kind} and carries something else")
    return obj


def _columns(type_: str, obj: Json) -> CustomerColumns | SubscriptionColumns:
    if is_about_subscription(type_):
        return read_subscription(obj)
    is_deleted = obj.get("deleted") is True
    if type_ == _DELETED_CUSTOMER or (is_deleted and type_.endswith(FETCHED)):
        return deleted_customer(obj)
    if obj.get("deleted"):
        fields.malformed(f"the customer is deleted and the event is {type_}")
    return live_customer(obj)


def _version(envelope: Envelope, document: Json, columns: CustomerColumns | SubscriptionColumns) -> Version:
    data = document["data"]
    return version_of(
        event_id=envelope.event_id,
        type_=envelope.type,
        created=envelope.created,
        api_version=fields.text(document, "api_version"),
        obj=data["object"],
        previous_attributes=fields.nested(data, "previous_attributes"),
        columns=columns,
    )
