"""What reports see of a subscription: items in one form, and no value that is worth a dead letter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cogento.events.errors import PermanentError
from cogento.events.kinds.subscription import read_subscription
from tests.support.builders import NOW, Json, Shape, item, subscription

PRICE = {
    "id": "price_9",
    "product": "prod_9",
    "currency": "eur",
    "unit_amount": 1900,
    "unit_amount_decimal": "1900",
    "recurring": {"interval": "month", "interval_count": 3, "usage_type": "licensed"},
}
PLAN = {
    "id": "price_9",
    "product": "prod_9",
    "currency": "eur",
    "amount": 1900,
    "amount_decimal": "1900",
    "interval": "month",
    "interval_count": 3,
}
READ = {
    "created": NOW,
    "currency": "eur",
    "id": "si_1",
    "interval": "month",
    "interval_count": 3,
    "price": "price_9",
    "product": "prod_9",
    "quantity": 2,
    "unit_amount": 1900,
}


def items_of(obj: Json) -> list[Json]:
    items: list[Json] = json.loads(read_subscription(obj).items or "null")
    return items


def sold(**fields: Any) -> Json:
    return {"id": "si_1", "created": NOW, "quantity": 2, **fields}


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize(
    "seller",
    [
        pytest.param({"price": PRICE, "plan": PLAN}, id="price and plan"),
        pytest.param({"price": PRICE}, id="price alone"),
        pytest.param({"plan": PLAN}, id="plan, before prices"),
        pytest.param({"price": {**PRICE, "product": {"id": "prod_9"}}, "plan": None}, id="product expanded"),
        pytest.param({"plan": {**PLAN, "product": {"id": "prod_9", "deleted": True}}}, id="product deleted"),
    ],
)
def test_every_rendering_of_an_item_is_read_alike(seller: Json, shape: Shape) -> None:
    assert items_of(subscription(shape=shape, items=[sold(**seller)])) == [READ]


def test_a_plan_without_currency_is_in_that_of_the_subscription() -> None:
    plan = {key: value for key, value in PLAN.items() if key != "currency"}

    assert items_of(subscription(items=[sold(plan=plan)], currency="eur")) == [READ]


def test_items_come_oldest_first_wherever_they_are_listed() -> None:
    items = [item("si_3", created=NOW), item("si_2", created=NOW - 9), item("si_1", created=NOW)]

    assert [one["id"] for one in items_of(subscription(items=items))] == ["si_2", "si_1", "si_3"]


def test_the_first_of_them_sells_the_product_of_the_row() -> None:
    items = [item("si_1", product="prod_new"), item("si_2", product="prod_old", created=NOW - 9)]
    obj = subscription(items=items)

    assert items_of(obj)[0]["product"] == read_subscription(obj).product_id == "prod_old"


def test_before_there_were_items_the_subscription_is_its_only_one() -> None:
    (only,) = items_of({**subscription(plan=PLAN, quantity=2), "items": None})

    assert only == {**READ, "id": None, "created": None}


def test_without_items_and_plan_there_is_nothing_sold() -> None:
    assert items_of({**subscription(), "items": {"data": []}, "plan": None}) == []


@pytest.mark.parametrize(
    ("amount", "read"),
    [
        ({"unit_amount": None, "unit_amount_decimal": "0.5"}, 0.5),
        ({"unit_amount": None, "unit_amount_decimal": "1250.000000000000"}, 1250),
        ({"unit_amount": 0, "unit_amount_decimal": "0"}, 0),
        ({"unit_amount": None, "unit_amount_decimal": None}, None),
        ({"unit_amount": "1900", "unit_amount_decimal": "NaN"}, None),
        ({"unit_amount": None, "unit_amount_decimal": "9" * 400}, None),
    ],
)
def test_an_amount_is_a_number_of_the_smallest_unit_and_may_have_a_fraction(
    amount: Json, read: float | None
) -> None:
    (only,) = items_of(subscription(items=[sold(price={**PRICE, **amount})]))

    assert only["unit_amount"] == read


ODD: list[Json] = [
    {"cancel_at": "tomorrow"},
    {"cancel_at": -1},
    {"canceled_at": 10**18},
    {"ended_at": True},
    {"trial_end": 1.5},
    {"start_date": []},
    {"cancel_at_period_end": "yes"},
    {"collection_method": 5},
    {"collection_method": "c" * 256},
    {"pause_collection": "void"},
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_value_that_only_reports_show_keeps_no_cancellation_from_the_row(odd: Json) -> None:
    read = read_subscription(subscription(status="canceled", **odd))
    (name,) = odd

    assert (read.status, getattr(read, name)) == ("canceled", None)


@pytest.mark.parametrize(
    ("field", "odd"),
    [("quantity", "2"), ("quantity", 2**63), ("created", "x"), ("id", 5)],
)
def test_an_odd_value_of_an_item_is_null_there_and_the_item_stays(field: str, odd: Any) -> None:
    (only,) = items_of(subscription(items=[{**sold(price=PRICE), field: odd}]))

    assert only == {**READ, field: None}


@pytest.mark.parametrize(
    ("price", "field"),
    [({"currency": 5}, "currency"), ({"recurring": "month"}, "interval"), ({"id": "p" * 256}, "price")],
)
def test_an_odd_value_of_a_price_is_null_in_its_item(price: Json, field: str) -> None:
    (only,) = items_of(subscription(items=[sold(price={**PRICE, **price})], currency=None))

    assert only[field] is None


def test_what_decides_access_is_as_strict_as_ever() -> None:
    with pytest.raises(PermanentError, match="`items` is not a list of objects"):
        read_subscription({**subscription(), "items": {"data": "si_1"}})


@pytest.mark.parametrize(
    ("pause", "read"),
    [
        (None, None),
        ({}, None),
        ({"behavior": "void", "resumes_at": None}, '{"behavior":"void","resumes_at":null}'),
        (
            {"behavior": "keep_as_draft", "resumes_at": NOW},
            f'{{"behavior":"keep_as_draft","resumes_at":{NOW}}}',
        ),
        ({"behavior": 5, "resumes_at": "soon"}, '{"behavior":null,"resumes_at":null}'),
    ],
)
def test_a_pause_of_collection_has_a_behaviour_and_perhaps_an_end(
    pause: Json | None, read: str | None
) -> None:
    assert read_subscription(subscription(pause_collection=pause)).pause_collection == read


def test_up_to_2019_the_collection_method_was_called_billing() -> None:
    old = {**subscription(billing="send_invoice"), "collection_method": None}

    assert read_subscription(old).collection_method == "send_invoice"
