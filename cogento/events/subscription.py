"""A Stripe subscription as `subscriptions` shows it, whatever API version rendered it.

Before 2025-03-31.basil the period stood on the subscription, since then on its items; before prices a
product hung on the plan, and before products on nothing. Several items show the period that `states` defines.
A customer may live as an account (Accounts v2): Stripe names it in `customer_account`, and its customer still in
`customer` (docs.stripe.com/connect/use-accounts-as-customers).
"""

from __future__ import annotations

from cogento.events import fields
from cogento.events.columns import SubscriptionColumns
from cogento.events.fields import Json
from cogento.events.references import is_object_id, referenced_id
from cogento.events.states import oldest

_LONGEST_INDEXED = 255


def read_subscription(obj: Json) -> SubscriptionColumns:
    """Read a subscription. Raises PermanentError when it has no customer or no status, or an impossible value."""
    items = fields.rows(obj, "items")
    return SubscriptionColumns(
        customer_id=_customer_id(obj),
        product_id=_product_id(obj, items),
        status=_status(obj),
        current_period_start=max(_times(obj, items, "current_period_start"), default=None),
        current_period_end=min(_times(obj, items, "current_period_end"), default=None),
        metadata=fields.nested_text(obj, "metadata") or "{}",
        stripe_created_at=fields.time(obj, "created"),
    )


def names_account(obj: Json) -> bool:
    """Tell whether a subscription's customer lives as an account, which Stripe then names beside it."""
    return referenced_id(obj.get("customer_account")) is not None


def _customer_id(obj: Json) -> str:
    customer_id = referenced_id(obj.get("customer"))
    if customer_id is None and names_account(obj):
        fields.malformed(
            "the subscription has no customer, only an account (`customer_account`), which has no row"
        )
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
    item = oldest(items) if items else {}
    sold_by = (fields.nested(item, "price"), fields.nested(item, "plan"), fields.nested(obj, "plan"))
    products = (referenced_id(seller.get("product")) for seller in sold_by if seller)
    return next((product for product in products if product), None)
