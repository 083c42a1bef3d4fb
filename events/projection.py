"""What tells two states of one object apart, and the state that an event says came before.

A projection keeps what the tables show and what Stripe reports in previous_attributes whenever it changes,
read from wherever the API version puts it, so that two renderings of one state hash alike. Values that
change silently (next_invoice_sequence) stay out of it: they would break the chain from event to event.
Knows nothing of order; hashes are eight bytes of BLAKE2b.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec

from events.columns import CustomerColumns, SubscriptionColumns
from events.versions import Lifecycle, Version

if TYPE_CHECKING:
    from collections.abc import Callable

    from events.names import EventId

TERMINAL_STATUSES = frozenset({"canceled", "incomplete_expired"})
"""Statuses that a subscription never leaves."""

Object = dict[str, Any]

_encode = msgspec.msgpack.Encoder(order="sorted").encode


def version_of(
    *,
    event_id: EventId,
    type_: str,
    created: int,
    api_version: str | None,  # noqa: ARG001 - shapes are told apart by their fields, so that previews work too
    obj: Object,
    previous_attributes: object,
    columns: CustomerColumns | SubscriptionColumns,
) -> Version:
    """Read an event's evidence of order from its raw object and previous_attributes, as Stripe sent them."""
    lifecycle = _lifecycle(type_)
    if isinstance(columns, CustomerColumns):
        gone = columns.deleted or lifecycle is Lifecycle.DELETED
        project = project_deleted_customer if gone else project_customer
        return Version(
            event_id=event_id,
            created=created,
            lifecycle=lifecycle,
            terminal=gone,
            state=fingerprint(project(obj)),
            before=None if gone else _before(obj, previous_attributes, project_customer, CUSTOMER_FIELDS),
            growing=_whole_numbers(obj.get("next_invoice_sequence")),
            columns=columns,
        )
    items = _items(obj)
    return Version(
        event_id=event_id,
        created=created,
        lifecycle=lifecycle,
        terminal=lifecycle is Lifecycle.DELETED or obj.get("status") in TERMINAL_STATUSES,
        state=fingerprint(project_subscription(obj)),
        before=_before(obj, previous_attributes, project_subscription, SUBSCRIPTION_FIELDS),
        growing=_whole_numbers(_period(obj, items)[0]) if len(items) == 1 else (),
        columns=columns,
        partial=_is_cut_short(obj),
    )


def fingerprint(projection: list[Any]) -> bytes:
    """Hash a projection; equal projections give equal bytes on every machine."""
    try:
        packed = _encode(projection)
    except (UnicodeEncodeError, OverflowError):  # lone surrogates, integers past 64 bits: legal JSON
        packed = json.dumps(projection, sort_keys=True).encode()
    return hashlib.blake2b(packed, digest_size=8).digest()


def undo(now: object, before: object) -> Any:
    """Undo one value of previous_attributes: hashes in part and in depth, everything else whole.

    A null stands for "was absent", which a projection does not tell from null.
    """
    if not isinstance(before, dict):
        return before
    known = now if isinstance(now, dict) else {}
    return {**known, **{key: undo(known.get(key), value) for key, value in before.items()}}


CUSTOMER_FIELDS = frozenset(
    {
        "email",
        "name",
        "phone",
        "address",
        "metadata",
        "description",
        "default_source",
        "invoice_settings",
        "delinquent",
        "currency",
        "balance",
        "account_balance",
    }
)
"""Every field that project_customer reads and an update can change."""


def project_customer(customer: Object) -> list[Any]:
    """Reduce a customer to what tells its states apart."""
    settings = customer.get("invoice_settings")
    get = customer.get
    return [
        get("created"),
        get("email") or None,
        get("name"),
        get("phone"),
        _pruned(get("address")),
        _pruned(get("metadata")),
        get("description"),
        _id(get("default_source")),
        _id(settings.get("default_payment_method")) if isinstance(settings, dict) else None,
        get("delinquent") or None,
        get("currency"),
        get("balance") or get("account_balance") or None,  # renamed in 2019-10-17
    ]


def project_deleted_customer(customer: Object) -> list[Any]:
    """Reduce a deleted customer, whole or as the `{id, object, deleted}` stub, to that it is deleted."""
    return ["deleted", customer.get("created")]


SUBSCRIPTION_FIELDS = frozenset(
    {
        "customer",
        "status",
        "metadata",
        "current_period_start",
        "current_period_end",
        "items",
        "plan",
        "quantity",
        "cancel_at_period_end",
        "cancel_at",
        "canceled_at",
        "ended_at",
        "trial_end",
        "latest_invoice",
    }
)
"""Every field that project_subscription reads and an update can change."""


def project_subscription(subscription: Object) -> list[Any]:
    """Reduce a subscription to what tells its states apart."""
    get = subscription.get
    items = _items(subscription)
    return [
        get("created"),
        _id(get("customer")),
        get("status"),
        _pruned(get("metadata")),
        *_period(subscription, items),
        _product(subscription, items),
        sorted(([item.get("id"), _price_id(item), item.get("quantity")] for item in items), key=str),
        get("cancel_at_period_end") or None,
        get("cancel_at"),
        get("canceled_at"),
        get("ended_at"),
        get("trial_end"),
        _id(get("latest_invoice")),
    ]


def _before(
    obj: Object, previous: object, project: Callable[[Object], list[Any]], fields: frozenset[str]
) -> bytes | None:
    if not isinstance(previous, dict) or not previous:
        return None
    changed = {key: undo(obj.get(key), value) for key, value in previous.items() if key in fields}
    return fingerprint(project({**obj, **changed}))


def _lifecycle(type_: str) -> Lifecycle:
    if type_ in ("customer.created", "customer.subscription.created"):
        return Lifecycle.CREATED
    if type_ in ("customer.deleted", "customer.subscription.deleted"):
        return Lifecycle.DELETED
    return Lifecycle.CHANGED


def _items(subscription: Object) -> list[Object]:
    """Return the items in Stripe's order; before there were items the subscription was its only one."""
    listed = subscription.get("items")
    data = listed.get("data") if isinstance(listed, dict) else listed
    items = [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
    return items or [{"plan": subscription.get("plan"), "quantity": subscription.get("quantity")}]


def _is_cut_short(subscription: Object) -> bool:
    listed = subscription.get("items")
    return isinstance(listed, dict) and listed.get("has_more") is True


def _period(subscription: Object, items: list[Object]) -> tuple[int | None, int | None]:
    """Earliest start and latest end: on the subscription before 2025-03-31.basil, on its items since."""
    start, end = subscription.get("current_period_start"), subscription.get("current_period_end")
    starts = _whole_numbers(start) or _whole_numbers(*(item.get("current_period_start") for item in items))
    ends = _whole_numbers(end) or _whole_numbers(*(item.get("current_period_end") for item in items))
    return min(starts, default=None), max(ends, default=None)


def _product(subscription: Object, items: list[Object]) -> object:
    sold_by = (items[0].get("price"), items[0].get("plan"), subscription.get("plan"))
    products = (_id(seller.get("product")) for seller in sold_by if isinstance(seller, dict))
    return next((product for product in products if product), None)


def _price_id(item: Object) -> object:
    return _id(item.get("price")) or _id(item.get("plan"))


def _id(reference: object) -> object:
    """An id, also where the object itself is expanded in its place."""
    return reference.get("id") if isinstance(reference, dict) else reference


def _pruned(value: object) -> Any:
    """Drop nulls, empty hashes and empty arrays: previous_attributes cannot tell them from absent."""
    if isinstance(value, dict):
        return {k: kept for k, v in value.items() if (kept := _pruned(v)) is not None} or None
    if isinstance(value, list):
        return [_pruned(entry) for entry in value] or None
    return value


def _whole_numbers(*values: object) -> tuple[int, ...]:
    return tuple(v for v in values if isinstance(v, int) and not isinstance(v, bool))
