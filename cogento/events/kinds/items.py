"""The items of a subscription as `subscriptions.items` shows them: what is sold, how much of it, and for how much.

Prices came in 2020; before that, and beside the price since, an item has a plan with the same facts under other names. All
shapes of one item are read alike. Only for reports: an odd value in an item becomes null, and the rest stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cogento.events.lenient import decimal, id_of, nested, number, text, time
from cogento.events.strict_json import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cogento.events.fields import Json


def items_text(subscription: Json, oldest_first: Iterable[Json]) -> str:
    """Write items as a JSON array, in the order given; docs/reporting.md shows its form."""
    return canonical_json([_item(subscription, item) for item in oldest_first])


def _item(subscription: Json, item: Json) -> dict[str, Any]:
    """Describe one item; every key is there, null where Stripe does not say or the price has no such value.

    `unit_amount` is in the smallest unit of the currency and may have a fraction; a tiered price has none.
    """
    get, price, plan = item.get, nested(item.get("price")), nested(item.get("plan"))
    recurring = nested(price.get("recurring")) or plan
    return {
        "created": time(get("created")),
        "currency": text(price.get("currency") or plan.get("currency") or subscription.get("currency")),
        "id": text(get("id")),
        "interval": text(recurring.get("interval")),
        "interval_count": number(recurring.get("interval_count")),
        "price": id_of(get("price") or plan),
        "product": id_of(price.get("product") or plan.get("product")),
        "quantity": number(get("quantity")),
        "unit_amount": _unit_amount(price, plan),
    }


def _unit_amount(price: Json, plan: Json) -> float | None:
    whole = number(price.get("unit_amount"))
    if whole is not None:
        return whole
    fraction = decimal(price.get("unit_amount_decimal"))
    if fraction is not None:
        return fraction
    whole = number(plan.get("amount"))
    return whole if whole is not None else decimal(plan.get("amount_decimal"))
