"""What the tables hold of a customer and of a subscription, and how it is read, whatever API version rendered it.

The names are those of the columns of `users` and `subscriptions`. Texts are safe for Postgres (NUL and lone surrogates
replaced by U+FFFD); JSON columns are canonical JSON text (sorted keys, no spaces).

Before 2025-03-31.basil the period stood on the subscription, since then on its items. Before prices a product hung on
the plan, and before products on nothing. Of several items `states` defines the period. A customer may live as an
account (Accounts v2): Stripe names it in `customer_account`, and its customer still in `customer`
(docs.stripe.com/connect/use-accounts-as-customers).
"""

from __future__ import annotations

import msgspec

from cogento.events import fields
from cogento.events.fields import Json
from cogento.events.names import is_object_id, referenced_id
from cogento.events.states import oldest

LONGEST_EMAIL = 512  # Stripe's own limit; four times as many bytes still fit into a unique index
_LONGEST_INDEXED = 255


class CustomerColumns(msgspec.Struct, frozen=True):
    """A customer as `users` shows it; times in Unix seconds, `address` and `metadata` JSON text."""

    stripe_email: str | None
    name: str | None
    phone: str | None
    address: str | None
    metadata: str
    stripe_created_at: int | None
    deleted: bool


class SubscriptionColumns(msgspec.Struct, frozen=True):
    """A subscription as `subscriptions` shows it; times in Unix seconds, `metadata` JSON text.

    A period or product that the event's shape does not carry is None and never overwrites a known one.
    """

    customer_id: str
    product_id: str | None
    status: str
    current_period_start: int | None
    current_period_end: int | None
    metadata: str
    stripe_created_at: int | None


def live_customer(obj: Json) -> CustomerColumns:
    """Read a customer; an empty address is none. Raises PermanentError when a value cannot be stored."""
    return CustomerColumns(
        stripe_email=fields.text(obj, "email", longest=LONGEST_EMAIL) or None,
        name=fields.text(obj, "name"),
        phone=fields.text(obj, "phone"),
        address=fields.nested_text(obj, "address"),
        metadata=fields.nested_text(obj, "metadata") or "{}",
        stripe_created_at=fields.time(obj, "created"),
        deleted=False,
    )


def deleted_customer(obj: Json) -> CustomerColumns:
    """Erase a customer as Stripe does, whether the event carries all it was or only its id."""
    return CustomerColumns(
        stripe_email=None,
        name=None,
        phone=None,
        address=None,
        metadata="{}",
        stripe_created_at=fields.time(obj, "created"),
        deleted=True,
    )


def read_subscription(obj: Json) -> SubscriptionColumns:
    """Read a subscription. Raises PermanentError when it has no customer or no status, or an impossible value."""
    items = fields.rows(obj, "items")
    status = fields.text(obj, "status", longest=_LONGEST_INDEXED)
    if not status:
        fields.malformed("the subscription has no status")
    return SubscriptionColumns(
        customer_id=_customer_id(obj),
        product_id=_product_id(obj, items),
        status=status,
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
