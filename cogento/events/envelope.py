"""An envelope: one verified event and the customer it belongs to, read without looking at the object's other fields.

Reads only what routing needs (id, type, created, livemode, account, object, customer). The raw bytes
travel on unchanged; the bytes that are checked here are the bytes that are stored. Knows nothing of HTTP or Redis.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Generic, TypeVar

import msgspec

from cogento.events import strict_json
from cogento.events.errors import RejectedError
from cogento.events.fields import LATEST_TIME
from cogento.events.kinds import CUSTOMER, Kind, kind_of, kind_of_thin
from cogento.events.names import CustomerId, EventId, ObjectId, is_object_id, referenced_id
from cogento.events.thin import THIN, account_of_context, is_thin, read_thin

MALFORMED = "malformed"

EARLIEST_CREATED = 1_293_840_000  # 2011-01-01: Stripe sent no event before
FUTURE_SECONDS = 86_400  # how far Stripe's clock may run ahead of ours
ANY_TIME = LATEST_TIME - FUTURE_SECONDS
"""`now` for reading a stored body again: the receiver has compared `created` with its clock, and any time that a table can hold is accepted here."""

_EVENT_ID = re.compile(r"evt_[A-Za-z0-9_]{1,250}")
_TYPE = re.compile(r"[!-~]{1,100}")


class Envelope(msgspec.Struct, frozen=True):
    """One Stripe event as signed: `created` in Unix seconds, `body` the exact bytes.

    `livemode` None means that the event does not say, `account` None that it names none. For types that are not
    ours, `object_id` and `customer_id` may be empty: some objects have no id (a balance, an upcoming invoice). A thin event
    names no customer: it waits in a mailbox named after its object. `trace` is set for an event that is traced
    (cogento/tracing.py).
    """

    event_id: EventId
    type: str
    created: int
    livemode: bool | None
    account: str | None
    object_id: ObjectId
    customer_id: CustomerId
    body: bytes
    trace: bytes = b""


def is_ours(type_: str) -> bool:
    """Tell whether events of this type change a table, or name an object that has a row."""
    return kind_of(type_) is not None or is_notice(type_)


def is_notice(type_: str) -> bool:
    """Tell whether thin events of this type name an object that has a row."""
    return kind_of_thin(type_) is not None


def parse_envelope(body: bytes, *, now: int) -> Envelope:
    """Read the envelope of a signed body, strictly; `now` is in Unix seconds.

    An event of ours whose object does not fit its type (a charge in `customer.updated`, a subscription
    without customer) is let through under its object's own id, so that the worker can make it a dead letter.

    Raises RejectedError(code="malformed") for anything that is not one strict JSON event, snapshot or thin
    (B41 to B50, B62, B63 of docs/bad-inputs.md).
    """
    try:
        strict_json.check(body)
        event = _decode_snapshot(body)
        return _thin_envelope(body, now) if event is None else _envelope(event, event.data.object, body, now)
    except (msgspec.ValidationError, strict_json.NotStrictJsonError) as error:
        raise RejectedError(MALFORMED, str(error)) from error


class ForeignEvent(msgspec.Struct, frozen=True):
    """An event that is not ours in a shape that `parse_envelope` refuses; `event_id` may be empty."""

    event_id: EventId
    type: str


def parse_foreign_event(body: bytes) -> ForeignEvent | None:
    """Read the type and id of a signed body of any shape, for Stripe may send new shapes one day.

    None for an event of ours, and for anything but a JSON object with a `type`.
    """
    try:
        event = strict_json.read_loosely(body)
    except strict_json.NotStrictJsonError:
        return None
    type_, id_ = event.get("type"), event.get("id")
    if not isinstance(type_, str) or not type_ or is_ours(type_):
        return None
    return ForeignEvent(EventId(id_ if isinstance(id_, str) and is_object_id(id_) else ""), type_)


def parse_whole(body: bytes, *, now: int) -> tuple[Whole, Envelope]:
    """Read the envelope of a snapshot event as `parse_envelope` does, and the object that it carries.

    Strings of the object are safe for Postgres (`strict_json.read`).
    """
    try:
        strict_json.check(body)
        whole = _decode_whole(body)
        if whole.object == THIN:
            raise RejectedError(MALFORMED, "a thin event carries no object")
        obj = whole.data.object
        return whole, _envelope(whole, _Object(_text_id(obj), obj.get("customer")), body, now)
    except (msgspec.ValidationError, strict_json.NotStrictJsonError) as error:
        raise RejectedError(MALFORMED, str(error)) from error


def _envelope(event: _Event[Any], obj: _Object, body: bytes, now: int) -> Envelope:
    account = event.account if event.account is not None else account_of_context(event.context)
    _check_top_level(event.id, event.type, event.created, account, now)
    kind, object_id = kind_of(event.type), obj.id or ""
    if (kind is not None or is_notice(event.type)) and not is_object_id(object_id):
        raise RejectedError(MALFORMED, "`data.object.id` is not an object id")
    return Envelope(
        event_id=EventId(event.id),
        type=event.type,
        created=event.created,
        livemode=event.livemode,
        account=account,
        object_id=ObjectId(object_id),
        customer_id=CustomerId(_customer_id(kind, obj) or object_id),
        body=body,
    )


def _thin_envelope(body: bytes, now: int) -> Envelope:
    event = read_thin(body)
    _check_top_level(event.id, event.type, event.second, event.account, now)
    if is_notice(event.type) and not is_object_id(event.object_id):
        raise RejectedError(MALFORMED, "`related_object.id` is not an object id")
    return Envelope(
        event_id=EventId(event.id),
        type=event.type,
        created=event.second,
        livemode=event.livemode,
        account=event.account,
        object_id=ObjectId(event.object_id),
        customer_id=CustomerId(event.object_id),
        body=body,
    )


class _Object(msgspec.Struct):
    id: str | None = None
    customer: Any = None


class _Data(msgspec.Struct):
    object: _Object


class WholeData(msgspec.Struct):
    """What an event carries, as Stripe sent it."""

    object: dict[str, Any]
    previous_attributes: Any = None


_D = TypeVar("_D")


class _Event(msgspec.Struct, Generic[_D]):
    """What is decoded of an event; the parser still checks the syntax of what it skips.

    Events of connected accounts have `account` and `context`, those that an organization's destination sends for its
    accounts only `context` (docs.stripe.com/changelog/basil/2025-04-30/additional-context-organization-events).
    """

    id: str
    type: str
    created: int
    data: _D
    object: Any = None
    livemode: bool | None = None
    account: str | None = None
    context: str | None = None


class Whole(_Event[WholeData]):
    """A snapshot event with all that a worker reads of it."""

    api_version: Any = None
    request: Any = None


_EVENT = msgspec.json.Decoder(_Event[_Data])
_WHOLE = msgspec.json.Decoder(Whole)


def _decode_snapshot(body: bytes) -> _Event[_Data] | None:
    """Decode a snapshot event; None for a thin one. Thin events are rare, and searching every body for their mark would take longer."""
    try:
        event = _decode(body)
    except msgspec.ValidationError:
        if is_thin(body):
            return None
        raise
    return None if event.object == THIN else event


def _decode(body: bytes) -> _Event[_Data]:
    try:
        return _EVENT.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # The decoder refuses lone surrogates, which a customer's name may hold; `strict_json.read` replaces them.
        return msgspec.convert(strict_json.read(body), _Event[_Data])


def _decode_whole(body: bytes) -> Whole:
    """Decode quickly where possible; what the quick decoder refuses, `strict_json.read` decides on."""
    if not strict_json.has_unsafe_text(body):
        with suppress(msgspec.DecodeError):
            return _WHOLE.decode(body)
    return msgspec.convert(strict_json.read(body), Whole)


def _text_id(obj: dict[str, Any]) -> str | None:
    id_ = obj.get("id")
    if id_ is not None and not isinstance(id_, str):
        raise RejectedError(MALFORMED, "`data.object.id` is not an object id")
    return id_


def _check_top_level(id_: str, type_: str, created: int, account: str | None, now: int) -> None:
    if not _EVENT_ID.fullmatch(id_):
        raise RejectedError(MALFORMED, "`id` is not an event id")
    if not _TYPE.fullmatch(type_):
        raise RejectedError(MALFORMED, "`type` is not an event type")
    if not EARLIEST_CREATED <= created <= now + FUTURE_SECONDS:
        raise RejectedError(MALFORMED, "`created` is not a possible time of an event")
    if account is not None and not is_object_id(account):
        raise RejectedError(MALFORMED, "`account` or `context` names no account")


def _customer_id(kind: Kind | None, obj: _Object) -> str | None:
    """Return the id of the customer that an object belongs to, given by id or expanded; None when there is none."""
    if kind is None or kind is CUSTOMER:
        return None
    customer_id = referenced_id(obj.customer)
    return customer_id if customer_id and is_object_id(customer_id) else None
