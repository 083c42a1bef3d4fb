"""Random customers and subscriptions as Hypothesis strategies, and subscriptions in every shape of Stripe."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.builders import MONTH_SECONDS, NOW, Json, Shape, item, subscription

metadata = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "2", ""]), max_size=3)

addresses = st.none() | st.fixed_dictionaries(
    {"city": st.sampled_from(["Lund", "Oslo", None]), "line1": st.sampled_from(["Gatan 1", None])}
)

customers = st.fixed_dictionaries(
    {
        "email": st.sampled_from(["ada@example.com", "bob@example.com", None]),
        "name": st.sampled_from(["Ada", "Bob", None]),
        "phone": st.sampled_from(["+46", None]),
        "address": addresses,
        "metadata": metadata,
        "delinquent": st.sampled_from([True, False, None]),
        "default_source": st.sampled_from(["card_1", None, {"id": "card_2", "object": "card"}]),
        "invoice_settings": st.sampled_from(
            [{"default_payment_method": "pm_1"}, {"default_payment_method": None, "footer": "x"}]
        ),
        "balance": st.sampled_from([0, -500]),
        "currency": st.sampled_from(["eur", None]),
        "shipping": addresses,
    }
)
"""Fields of a customer, to be passed to `tests.support.builders.customer`."""

_items = st.lists(
    st.builds(
        item,
        st.sampled_from(["si_1", "si_2", "si_3"]),
        product=st.sampled_from(["prod_1", "prod_2"]),
        price=st.sampled_from(["price_1", "price_2"]),
        quantity=st.integers(1, 3),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda row: str(row["id"]),
)

subscriptions = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["incomplete", "active", "past_due", "canceled"]),
        "items": _items,
        "period": st.sampled_from(
            [(NOW, NOW + MONTH_SECONDS), (NOW + MONTH_SECONDS, NOW + 2 * MONTH_SECONDS)]
        ),
        "metadata": metadata,
        "cancel_at_period_end": st.booleans(),
        "canceled_at": st.sampled_from([None, NOW]),
        "trial_end": st.sampled_from([None, NOW]),
        "latest_invoice": st.sampled_from(["in_1", "in_2", None]),
        "description": st.sampled_from([None, "not kept"]),
    }
)
"""Fields of a subscription, to be passed to `rendered`."""


def rendered(fields: Json, shape: Shape) -> Json:
    """One state of a subscription as one of Stripe's API versions shows it."""
    return subscription(shape=shape, **fields)
