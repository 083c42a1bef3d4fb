"""What tells two states of one object apart, read from wherever the API version puts it.

Kept is what the tables show and what Stripe reports in previous_attributes whenever it changes. Values that
change silently (next_invoice_sequence) stay out: they would break the chain from one event to the next.
Two renderings of one state project alike, and two states that project alike show alike. Tolerant: a
predecessor is put together from parts and may be odd. Knows nothing of events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Object = dict[str, Any]
Projection = list[Any]

CUSTOMER_FIELDS = frozenset({
    "email", "name", "phone", "address", "metadata", "description", "default_source",
    "invoice_settings", "delinquent", "currency", "balance", "account_balance",
})  # fmt: skip
"""Every field of a customer that its projection reads and an update can change."""


def project_customer(customer: Object) -> Projection:
    """Reduce a customer to what tells its states apart."""
    get = customer.get
    settings = get("invoice_settings")
    return [
        get("created"),
        get("email") or None,
        get("name"),
        get("phone"),
        pruned(get("address")),
        pruned(get("metadata")),
        get("description"),
        _id(get("default_source")),
        _id(settings.get("default_payment_method")) if isinstance(settings, dict) else None,
        get("delinquent") or None,
        get("currency"),
        get("balance") or get("account_balance") or None,  # renamed in 2019-10-17
    ]


def project_deleted_customer(_customer: Object) -> Projection:
    """Reduce a deleted customer, whole or as the `{id, object, deleted}` stub, to its being deleted."""
    return ["deleted"]


SUBSCRIPTION_FIELDS = frozenset({
    "customer", "status", "metadata", "current_period_start", "current_period_end", "items", "plan",
    "quantity", "cancel_at_period_end", "cancel_at", "canceled_at", "ended_at", "trial_end", "latest_invoice",
})  # fmt: skip
"""Every field of a subscription that its projection reads and an update can change."""

_PERIOD_START, _ITEMS = 0, 3  # places in a subscription's projection


def project_subscription(subscription: Object) -> Projection:
    """Reduce a subscription to what tells its states apart."""
    get = subscription.get
    items = _items(subscription)
    return [
        _boundary(subscription, items, "current_period_start", max),
        _boundary(subscription, items, "current_period_end", min),
        _product(subscription, oldest(items)),
        sorted(map(_project_item, items), key=str) if len(items) > 1 else [_project_item(items[0])],
        get("created"),
        _id(get("customer")),
        get("status"),
        pruned(get("metadata")),
        get("cancel_at_period_end") or None,
        get("cancel_at"),
        get("canceled_at"),
        get("ended_at"),
        get("trial_end"),
        _id(get("latest_invoice")),
    ]


def oldest(items: Sequence[Object]) -> Object:
    """Give the item that was made first, of two the one with the smaller id: Stripe promises no order of items."""
    return items[0] if len(items) == 1 else min(items, key=_age)


def customer_growth(customer: Object, _projection: Projection) -> tuple[int, ...]:
    """R7: the number of the customer's next invoice only grows."""
    number = customer.get("next_invoice_sequence")
    return (number,) if type(number) is int else ()


def subscription_growth(_subscription: Object, projection: Projection) -> tuple[int, ...]:
    """R7: a period's start only grows; of several items the removal of one may lower it."""
    start = projection[_PERIOD_START]
    return (start,) if len(projection[_ITEMS]) == 1 and start is not None else ()


def _items(subscription: Object) -> list[Object]:
    """List the items as they come; before there were items the subscription itself was its only one."""
    listed = subscription.get("items")
    data = listed.get("data") if isinstance(listed, dict) else None
    items = [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
    return items or [{"plan": subscription.get("plan"), "quantity": subscription.get("quantity")}]


def _project_item(item: Object) -> Projection:
    return [item.get("id"), _id(item.get("price")) or _id(item.get("plan")), item.get("quantity")]


def _boundary(
    subscription: Object, items: list[Object], key: str, choose: Callable[[Iterable[int]], int]
) -> int | None:
    """Find a period's boundary: on the subscription before 2025-03-31.basil, on its items since.

    Of several items it is the latest start and the earliest end, which is what Stripe shows on the subscription.
    https://docs.stripe.com/billing/subscriptions/mixed-interval ("Billing periods for mixed interval subscriptions"),
    https://docs.stripe.com/changelog/basil/2025-07-30/support-mixed-intervals ("the smallest item level period").
    """
    own = subscription.get(key)
    if type(own) is int:
        return own
    times = [time for item in items if type(time := item.get(key)) is int]
    return choose(times) if times else None


def _age(item: Object) -> tuple[bool, int, str, str]:
    """Sort by what an item says of itself, also where it says little; an item without a date counts as the newest."""
    created = item.get("created")
    dated = (False, created) if type(created) is int else (True, 0)
    return *dated, str(item.get("id")), str(_project_item(item))


def _product(subscription: Object, item: Object) -> object:
    for seller in (item.get("price"), item.get("plan"), subscription.get("plan")):
        if isinstance(seller, dict) and (product := _id(seller.get("product"))):
            return product
    return None


def _id(reference: object) -> object:
    """Give an id, also where the object itself is expanded in its place."""
    return reference.get("id") if isinstance(reference, dict) else reference


def pruned(value: object) -> Any:
    """Drop nulls, empty hashes and empty arrays: previous_attributes cannot tell them from absent."""
    if isinstance(value, dict):
        return {
            key: kept
            for key, inner in value.items()
            if (kept := inner if isinstance(inner, str) else pruned(inner)) is not None
        } or None
    if isinstance(value, list):
        return [pruned(entry) for entry in value] or None
    return value
