"""The items of a subscription as `subscriptions.items` shows them: what is sold, how much of it, and for how much.

Prices came in 2020; before them, and beside them ever since, an item has a plan that says the same in other words. All
renderings of one item are read alike. Only for reports: what is odd in an item is null there, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cogento.events import lenient
from cogento.events.strict_json import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cogento.events.fields import Json


def items_text(subscription: Json, oldest_first: Iterable[Json]) -> str:
    """Write items as a JSON array, in the order given; docs/reporting.md shows its form."""
    return canonical_json([_item(subscription, item) for item in oldest_first])


def _item(subscription: Json, item: Json) -> dict[str, Any]:
    """Describe one item; every key is there, and null where Stripe does not say or a price has no such thing.

    `unit_amount` is in the smallest unit of the currency and may have a fraction; a price in tiers has none.
    """
    price, plan = lenient.nested(item, "price"), lenient.nested(item, "plan")
    recurring = lenient.nested(price, "recurring")
    return {
        "created": lenient.time(item, "created"),
        "currency": lenient.text(price, "currency")
        or lenient.text(plan, "currency")
        or lenient.text(subscription, "currency"),
        "id": lenient.text(item, "id"),
        "interval": lenient.text(recurring, "interval") or lenient.text(plan, "interval"),
        "interval_count": lenient.number(recurring, "interval_count")
        or lenient.number(plan, "interval_count"),
        "price": lenient.id_of(item, "price") or lenient.id_of(item, "plan"),
        "product": lenient.id_of(price, "product") or lenient.id_of(plan, "product"),
        "quantity": lenient.number(item, "quantity"),
        "unit_amount": _first_known(
            lenient.number(price, "unit_amount"),
            lenient.decimal(price, "unit_amount_decimal"),
            lenient.number(plan, "amount"),
            lenient.decimal(plan, "amount_decimal"),
        ),
    }


def _first_known(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
