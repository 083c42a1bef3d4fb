"""An envelope: one verified event and whose it is, read without looking at what is inside.

Reads only what routing needs (id, type, created, livemode, account, object, customer). The raw bytes
travel on unchanged; what is checked here is what is stored. Knows nothing of HTTP or Redis.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import msgspec

from events import strict_json
from events.errors import RejectedError
from events.names import CustomerId, EventId, ObjectId
from events.references import is_object_id, referenced_id

MALFORMED = "malformed"
THIN_EVENT_UNSUPPORTED = "thin_event_unsupported"

EARLIEST_CREATED = 1_293_840_000  # 2011-01-01: Stripe sent no event before
FUTURE_SECONDS = 86_400  # how far Stripe's clock may run ahead of ours

_EVENT_ID = re.compile(r"evt_[A-Za-z0-9_]{1,250}")
_TYPE = re.compile(r"[a-z0-9_.]{1,100}")
FETCHED = ".fetched"
"""How the types end that we make ourselves, of objects that Stripe was asked for (events/answers.py)."""

_CUSTOMER_TYPES = frozenset(
    {"customer.created", "customer.updated", "customer.deleted", f"customer{FETCHED}"}
)
_THIN = "v2.core.event"


class Envelope(msgspec.Struct, frozen=True):
    """One Stripe event as signed: `created` in Unix seconds, `body` the exact bytes.

    `livemode` None means that the event does not say. For types that are not ours, `object_id` and
    `customer_id` may be empty: some objects have no id (a balance, an upcoming invoice).
    """

    event_id: EventId
    type: str
    created: int
    livemode: bool | None
    account: str | None
    object_id: ObjectId
    customer_id: CustomerId
    body: bytes


def is_ours(type_: str) -> bool:
    """Tell whether events of this type change a table."""
    return type_ in _CUSTOMER_TYPES or is_about_subscription(type_)


def is_about_subscription(type_: str) -> bool:
    """Tell whether events of this type carry a subscription."""
    return type_.startswith("customer.subscription.")


def open_envelope(body: bytes, *, now: int) -> Envelope:
    """Read the envelope of a signed body, strictly; `now` is in Unix seconds.

    An event of ours whose object does not fit its type (a charge in `customer.updated`, a subscription
    without customer) is let through under its object's own id, so that the worker can bury it.

    Raises RejectedError(code="malformed") for anything that is not one strict JSON event
    (B41 to B50, B62, B63 of the bad inputs), and code="thin_event_unsupported" for Stripe's v2 events (B59).
    """
    return _envelope(_read(body), body, now)


def open_whole(body: bytes, *, now: int) -> tuple[dict[str, Any], Envelope]:
    """Read the envelope as `open_envelope` does, and the whole document that it stands in."""
    try:
        document = strict_json.read(body)
        return document, _envelope(msgspec.convert(document, _Event), body, now)
    except msgspec.ValidationError as error:
        _reject_shape(body, error)
    except strict_json.NotStrictJsonError as error:
        raise RejectedError(MALFORMED, str(error)) from error


def _envelope(event: _Event, body: bytes, now: int) -> Envelope:
    if event.object == _THIN:
        _reject_thin()
    _check_top_level(event, now)
    object_id = _object_id(event)
    return Envelope(
        event_id=EventId(event.id),
        type=event.type,
        created=event.created,
        livemode=event.livemode,
        account=event.account,
        object_id=ObjectId(object_id),
        customer_id=CustomerId(_customer_id(event) or object_id),
        body=body,
    )


class _Object(msgspec.Struct):
    id: str | None = None
    customer: Any = None


class _Data(msgspec.Struct):
    object: _Object


class _Event(msgspec.Struct):
    """What is decoded of an event; the parser still checks the syntax of what it skips."""

    id: str
    type: str
    created: int
    data: _Data
    object: str | None = None
    livemode: bool | None = None
    account: str | None = None


class _ObjectName(msgspec.Struct):
    object: str | None = None


_EVENT = msgspec.json.Decoder(_Event)
_OBJECT_NAME = msgspec.json.Decoder(_ObjectName)


def _read(body: bytes) -> _Event:
    try:
        strict_json.check(body)
        return _decode(body)
    except msgspec.ValidationError as error:
        _reject_shape(body, error)
    except strict_json.NotStrictJsonError as error:
        raise RejectedError(MALFORMED, str(error)) from error


def _decode(body: bytes) -> _Event:
    try:
        return _EVENT.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # The decoder refuses lone surrogates, which a customer's name may hold; the reader replaces them.
        return msgspec.convert(strict_json.read(body), _Event)


def _reject_shape(body: bytes, error: msgspec.ValidationError) -> NoReturn:
    """Say why JSON that parses is no event: a v2 event has other fields, or other types in them."""
    try:
        thin = _OBJECT_NAME.decode(body).object == _THIN
    except msgspec.DecodeError:
        thin = False
    if thin:
        _reject_thin()
    raise RejectedError(MALFORMED, str(error)) from error


def _reject_thin() -> NoReturn:
    raise RejectedError(THIN_EVENT_UNSUPPORTED, "thin (v2) events carry no object; send snapshot events here")


def _check_top_level(event: _Event, now: int) -> None:
    if not _EVENT_ID.fullmatch(event.id):
        raise RejectedError(MALFORMED, "`id` is no event id")
    if not _TYPE.fullmatch(event.type):
        raise RejectedError(MALFORMED, "`type` is no event type")
    if not EARLIEST_CREATED <= event.created <= now + FUTURE_SECONDS:
        raise RejectedError(MALFORMED, "`created` is no possible time of an event")
    if event.account is not None and not is_object_id(event.account):
        raise RejectedError(MALFORMED, "`account` is no account id")


def _object_id(event: _Event) -> str:
    object_id = event.data.object.id or ""
    if is_ours(event.type) and not is_object_id(object_id):
        raise RejectedError(MALFORMED, "`data.object.id` is no object id")
    return object_id


def _customer_id(event: _Event) -> str | None:
    """Name the customer of a subscription, given by id or expanded; None when there is none."""
    if not is_about_subscription(event.type):
        return None
    customer_id = referenced_id(event.data.object.customer)
    return customer_id if customer_id and is_object_id(customer_id) else None
