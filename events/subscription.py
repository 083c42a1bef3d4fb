"""A Stripe subscription as `subscriptions` shows it, whatever API version rendered it.

Before 2025-03-31.basil the period stood on the subscription, since then on its items; before prices a
product hung on the plan, and before products on nothing.
"""

from __future__ import annotations

from events import fields
from events.columns import SubscriptionColumns
from events.fields import Json
from events.references import is_object_id, referenced_id

_LONGEST_INDEXED = 255


def read_subscription(obj: Json) -> SubscriptionColumns:
    """Read a subscription. Raises PermanentError when it has no customer or no status, or an impossible value."""
    items = fields.rows(obj, "items")
    return SubscriptionColumns(
        customer_id=_customer_id(obj),
        product_id=_product_id(obj, items),
        status=_status(obj),
        current_period_start=min(_times(obj, items, "current_period_start"), default=None),
        current_period_end=max(_times(obj, items, "current_period_end"), default=None),
        metadata=fields.nested_text(obj, "metadata") or "{}",
        stripe_created_at=fields.time(obj, "created"),
    )


def _customer_id(obj: Json) -> str:
    customer_id = referenced_id(obj.get("customer"))
    if customer_id is None or not is_object_id(customer_id):
        fields.malformed("the subscription has no customer")
    return customer_id


def _status(obj: Json) -> str:
    status = fields.text(obj, "status", longest=_LONGEST_INDEXED)
    if not status:
        fields.malformed("the subscription has no status")
    return status


def _times(obj: Json, items: list[Json], key: str) -> list[int]:
    """Give the subscription's own time where it has one, else those of its items."""
    own = fields.time(obj, key)
    if own is not None:
        return [own]
    return [time for item in items if (time := fields.time(item, key)) is not None]


def _product_id(obj: Json, items: list[Json]) -> str | None:
    """Name what the first item sells: Stripe keeps items in the order in which they were added."""
    first = items[0] if items else {}
    sold_by = (fields.nested(first, "price"), fields.nested(first, "plan"), fields.nested(obj, "plan"))
    products = (referenced_id(seller.get("product")) for seller in sold_by if seller)
    return next((product for product in products if product), None)
