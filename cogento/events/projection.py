"""An event's evidence of order: the state it shows, and the state that it says came before.

Knows the shapes of Stripe's previous_attributes; nothing of what other events say.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from cogento.events import states
from cogento.events.columns import CustomerColumns, SubscriptionColumns
from cogento.events.envelope import FETCHED, is_about_subscription
from cogento.events.thin import is_deletion
from cogento.events.versions import Lifecycle, Version

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogento.events.names import EventId
    from cogento.events.states import Object, Projection

TERMINAL_STATUSES = frozenset({"canceled", "incomplete_expired"})
"""Statuses that a subscription never leaves."""

_DELETIONS = frozenset({"customer.deleted", "customer.subscription.deleted"})
_LIFECYCLES = {
    "customer.created": Lifecycle.CREATED,
    "customer.subscription.created": Lifecycle.CREATED,
    "customer.deleted": Lifecycle.DELETED,
    "customer.subscription.deleted": Lifecycle.DELETED,
}

_encode = msgspec.msgpack.Encoder(order="sorted").encode


def version_of(
    *,
    event_id: EventId,
    type_: str,
    created: int,
    api_version: str | None,  # noqa: ARG001 - shapes are told apart by their fields: previews have versions too
    obj: Object,
    previous_attributes: object,
    columns: CustomerColumns | SubscriptionColumns,
    request: object = None,
) -> Version:
    """Read an event's evidence of order from its raw object, previous_attributes and request, as Stripe sent them."""
    lifecycle = _LIFECYCLES.get(type_, Lifecycle.CHANGED)
    shape = _shape(columns)
    projection = shape.project(obj)
    state = fingerprint(projection)
    before = _before(obj, previous_attributes, state, shape)
    return Version(
        event_id=event_id,
        created=created,
        lifecycle=lifecycle,
        terminal=_is_terminal(lifecycle, columns),
        state=state,
        before=before,
        growing=shape.growing(obj, projection),
        columns=columns,
        partial=_is_partial(obj),
        fetched=type_.endswith(FETCHED),
        request=None if before in {None, state} else _request(request),
    )


def is_terminal_event(type_: str, obj: Object) -> bool:
    """Tell whether an event of this type says that its object has ended; reads as little of it as possible.

    While such an event is a dead letter or missing, somebody may keep access that has ended in Stripe.
    """
    if type_ in _DELETIONS or is_deletion(type_):
        return True
    if is_about_subscription(type_):
        status = obj.get("status")
        return isinstance(status, str) and status in TERMINAL_STATUSES
    return obj.get("deleted") is True


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one kind of object is projected; `fields` are all that its projection reads and that can change."""

    project: Callable[[Object], Projection]
    fields: frozenset[str]
    growing: Callable[[Object, Projection], tuple[int, ...]]


_CUSTOMER = _Shape(states.project_customer, states.CUSTOMER_FIELDS, states.customer_growth)
_DELETED_CUSTOMER = _Shape(states.project_deleted_customer, frozenset(), states.customer_growth)
_SUBSCRIPTION = _Shape(states.project_subscription, states.SUBSCRIPTION_FIELDS, states.subscription_growth)


def _shape(columns: CustomerColumns | SubscriptionColumns) -> _Shape:
    if isinstance(columns, SubscriptionColumns):
        return _SUBSCRIPTION
    return _DELETED_CUSTOMER if columns.deleted else _CUSTOMER


def _is_terminal(lifecycle: Lifecycle, columns: CustomerColumns | SubscriptionColumns) -> bool:
    if isinstance(columns, CustomerColumns):
        return columns.deleted
    return lifecycle is Lifecycle.DELETED or columns.status in TERMINAL_STATUSES


def _is_partial(obj: Object) -> bool:
    items = obj.get("items")
    return isinstance(items, dict) and items.get("has_more") is True


def _before(obj: Object, previous: object, state: bytes, shape: _Shape) -> bytes | None:
    """Hash the predecessor; None where previous_attributes say nothing at all."""
    if not isinstance(previous, dict) or not previous:
        return None
    undone = {key: undo(obj.get(key), value) for key, value in previous.items() if key in shape.fields}
    return fingerprint(shape.project({**obj, **undone})) if undone else state


def _request(request: object) -> bytes | None:
    """Hash the id of the API request behind a change; None where Stripe acted by itself.

    https://docs.stripe.com/api/events/object#event_object-request: an object since 2017-05-25, an id before.
    """
    id_ = request.get("id") if isinstance(request, dict) else request
    if not isinstance(id_, str) or not id_:
        return None
    return hashlib.blake2b(id_.encode(errors="replace"), digest_size=4).digest()


def undo(now: object, before: object) -> Any:
    """Undo one value of previous_attributes: hashes in part and in depth, arrays and everything else whole.

    A null stands for "was absent", which a projection does not tell from null.
    """
    if not isinstance(before, dict):
        return before
    known = now if isinstance(now, dict) else {}
    undone = {**known, **{key: undo(known.get(key), value) for key, value in before.items()}}
    return _completed(undone, known) if undone.get("object") == "list" else undone


def _completed(undone: Object, known: Object) -> Object:
    """Add the elements of a list that did not change, where its count says that they were left out.

    "In Stripe API versions 2017-04-06 or earlier, an updated array attribute in this object includes only the updated
    array elements" (https://docs.stripe.com/api/events/object); later ones tell arrays whole.
    """
    told, now, count = undone.get("data"), known.get("data"), undone.get("total_count")
    if not (isinstance(told, list) and isinstance(now, list)) or len(told) == count:
        return undone
    changed = [one.get("id") for one in told if isinstance(one, dict)]
    unchanged = [one for one in now if isinstance(one, dict) and one.get("id") not in changed]
    return {**undone, "data": [*told, *unchanged]} if len(told) + len(unchanged) == count else undone


def fingerprint(projection: Projection) -> bytes:
    """Hash a projection to six bytes, plenty for the few states of one object that are ever compared."""
    try:
        packed = _encode(projection)
    except (UnicodeEncodeError, OverflowError):  # lone surrogates, integers past 64 bits: legal JSON
        packed = json.dumps(projection, sort_keys=True).encode()
    return hashlib.blake2b(packed, digest_size=6).digest()
