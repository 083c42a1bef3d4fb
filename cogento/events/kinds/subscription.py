"""Subscriptions, read from wherever an API version puts their values.

Before 2025-03-31.basil the period stood on the subscription, since then on its items. Before there were prices a plan named the
product, and before there were products nothing did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.events import fields, lenient, reductions
from cogento.events.fields import Json
from cogento.events.kinds.customer import owner_of
from cogento.events.kinds.items import items_text
from cogento.events.kinds.kind import (
    Boolean,
    ClosedJson,
    Kind,
    Metadata,
    OwnedColumns,
    Parts,
    Projection,
    Text,
    Time,
)
from cogento.events.names import referenced_id
from cogento.events.strict_json import canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

AUTOMATICALLY = "charge_automatically"

_MAX_INDEXED_LENGTH = 255


class SubscriptionColumns(OwnedColumns, frozen=True):
    """A subscription as `subscriptions` shows it; times in Unix seconds, `items`, `pause_collection` and `metadata` JSON text.

    A period or product that the event's shape does not carry is None and never overwrites a known one. From `items` on the
    columns are for reports: odd values are None. All of them are None where an earlier release wrote the row, which left `items`
    None.
    """

    product_id: Text | None
    status: Text
    current_period_start: Time | None
    current_period_end: Time | None
    metadata: Metadata
    stripe_created_at: Time | None
    items: ClosedJson | None = None
    cancel_at_period_end: Boolean | None = None
    cancel_at: Time | None = None
    canceled_at: Time | None = None
    ended_at: Time | None = None
    trial_end: Time | None = None
    start_date: Time | None = None
    collection_method: Text | None = None
    pause_collection: ClosedJson | None = None


def read_subscription(obj: Json) -> SubscriptionColumns:
    """Read a subscription.

    Raises PermanentError when it has no customer or no status, or an impossible value that is not only for reports.
    """
    get, items = obj.get, fields.rows(obj, "items")
    starts, ends = _times(obj, items, "current_period_start"), _times(obj, items, "current_period_end")
    status = fields.text(obj, "status", longest=_MAX_INDEXED_LENGTH)
    if not status:
        fields.malformed("the subscription has no status")
    return SubscriptionColumns(
        customer_id=owner_of(obj, "subscription"),
        product_id=_product_id(obj, items),
        status=status,
        current_period_start=max(starts) if starts else None,
        current_period_end=min(ends) if ends else None,
        metadata=fields.nested_text(obj, "metadata") or "{}",
        stripe_created_at=fields.time(obj, "created"),
        items=items_text(obj, _oldest_first(items or _items(obj)) if items or get("plan") else ()),
        cancel_at_period_end=lenient.boolean(get("cancel_at_period_end")),
        cancel_at=lenient.time(get("cancel_at")),
        canceled_at=lenient.time(get("canceled_at")),
        ended_at=lenient.time(get("ended_at")),
        trial_end=lenient.time(get("trial_end")),
        start_date=lenient.time(get("start_date")),
        collection_method=lenient.text(_collection_method(obj)),
        pause_collection=_pause_text(lenient.nested(get("pause_collection"))),
    )


def _collection_method(obj: Json) -> object:
    return obj.get("collection_method") or obj.get("billing")  # renamed in 2019-10-17


def _pause_text(pause: Json) -> str | None:
    if not pause:
        return None
    values = {
        "behavior": lenient.text(pause.get("behavior")),
        "resumes_at": lenient.time(pause.get("resumes_at")),
    }
    return canonical_json(values)


def _times(obj: Json, items: list[Json], key: str) -> list[int]:
    """Return the subscription's own time where it has one, else those of its items."""
    own = fields.time(obj, key)
    if own is not None:
        return [own]
    return [time for item in items if (time := fields.time(item, key)) is not None]


def _product_id(obj: Json, items: list[Json]) -> str | None:
    item = oldest(items) if items else {}
    for seller in (fields.nested(item, "price"), fields.nested(item, "plan"), fields.nested(obj, "plan")):
        if seller and (product := referenced_id(seller.get("product"))):
            return product
    return None


def oldest(items: Sequence[Json]) -> Json:
    """Return the item that was made first, of equally old ones that with the smallest id: Stripe promises no order of items."""
    return items[0] if len(items) == 1 else min(items, key=_age)


def _oldest_first(items: Sequence[Json]) -> Sequence[Json]:
    return items if len(items) == 1 else sorted(items, key=_age)


def _age(item: Json) -> tuple[bool, int, str, str]:
    """Sort by an item's own values, of which any may be missing; an item without a date counts as the newest."""
    created = item.get("created")
    dated = (False, created) if type(created) is int else (True, 0)
    return *dated, str(item.get("id")), str(_project_item(item))


_PERIOD_START, _ITEMS = 0, 3  # places in the projection


def project_subscription(subscription: Json) -> Projection:
    """Reduce a subscription to the values that distinguish its states."""
    get = subscription.get
    items = _items(subscription)
    return [
        _boundary(subscription, items, "current_period_start", max),
        _boundary(subscription, items, "current_period_end", min),
        _product(subscription, oldest(items)),
        sorted(map(_project_item, items), key=str) if len(items) > 1 else [_project_item(items[0])],
        get("created"),
        reductions.id_of(get("customer")),
        get("status"),
        reductions.pruned(get("metadata")),
        get("cancel_at_period_end") or None,
        get("cancel_at"),
        get("canceled_at"),
        get("ended_at"),
        get("trial_end"),
        reductions.id_of(get("latest_invoice")),
        *_seldom_told(subscription),
    ]


def _seldom_told(subscription: Json) -> Projection:
    """Reduce the values that few subscriptions have, each with its name; most subscriptions have none.

    So the states of most hash as in releases that did not read these values, and evidence from those releases stays valid.
    """
    values: Projection = []
    method = _collection_method(subscription)
    if method is not None and method != AUTOMATICALLY:
        values.append(["collection_method", method])
    pause = subscription.get("pause_collection")
    if pause and isinstance(pause, dict):
        values.append(["pause_collection", (pause.get("behavior"), pause.get("resumes_at"))])
    return values


def subscription_growth(_subscription: Json, projection: Projection) -> tuple[int, ...]:
    """R7: a period's start only grows; with several items the removal of one may lower it."""
    start = projection[_PERIOD_START]
    return (start,) if len(projection[_ITEMS]) == 1 and start is not None else ()


def _items(subscription: Json) -> list[Json]:
    """List the items in Stripe's order; before there were items the subscription itself was its only one."""
    listed = subscription.get("items")
    data = listed.get("data") if isinstance(listed, dict) else None
    items = [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
    return items or [{"plan": subscription.get("plan"), "quantity": subscription.get("quantity")}]


def _project_item(item: Json) -> Projection:
    seller = reductions.id_of(item.get("price")) or reductions.id_of(item.get("plan"))
    return [item.get("id"), seller, item.get("quantity")]


def _boundary(
    subscription: Json, items: list[Json], key: str, choose: Callable[[Iterable[int]], int]
) -> int | None:
    """Find a period's boundary: on the subscription before 2025-03-31.basil, on its items since.

    With several items it is the latest start and the earliest end, as Stripe itself showed them on the subscription.
    https://docs.stripe.com/billing/subscriptions/mixed-interval ("Billing periods for mixed interval subscriptions"),
    https://docs.stripe.com/changelog/basil/2025-07-30/support-mixed-intervals ("the smallest item level period").
    """
    own = subscription.get(key)
    if type(own) is int:
        return own
    times = [time for item in items if type(time := item.get(key)) is int]
    return choose(times) if times else None


def _product(subscription: Json, item: Json) -> object:
    for seller in (item.get("price"), item.get("plan"), subscription.get("plan")):
        if isinstance(seller, dict) and (product := reductions.id_of(seller.get("product"))):
            return product
    return None


SUBSCRIPTION = Kind(
    name="subscription",
    id_prefix="sub_",
    family="customer.subscription",
    events=(
        "created", "updated", "deleted", "paused", "resumed", "pending_update_applied",
        "pending_update_expired", "trial_will_end",
    ),
    takes_new_events=True,
    columns=SubscriptionColumns,
    read=read_subscription,
    not_in_every_shape=("product_id", "current_period_start", "current_period_end", "stripe_created_at"),
    project=project_subscription,
    projected=frozenset({
        "customer", "status", "metadata", "current_period_start", "current_period_end", "items", "plan",
        "quantity", "cancel_at_period_end", "cancel_at", "canceled_at", "ended_at", "trial_end", "latest_invoice",
        "collection_method", "billing", "pause_collection",
    }),
    growth=subscription_growth,
    ended_by="status",
    ended_values=("canceled", "incomplete_expired"),
    ends_with_customer=True,
    table="subscriptions",
    shown={
        "Status": "status", "Period ends": "current_period_end", "Cancels": "cancel_at", "Product": "product_id",
        "Items": "items",
    },
    path="/v1/subscriptions",
    list_parameters={"status": "all"},  # by default those that have ended are left out
    parts=Parts("items", "/v1/subscription_items", parameter="subscription"),
)  # fmt: skip
