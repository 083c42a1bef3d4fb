"""The builders write previous_attributes as Stripe does, and sign as Stripe does."""

from __future__ import annotations

from typing import Any

import pytest
from stripe import WebhookSignature

from tests.support import builders
from tests.support.builders import (
    NOW,
    SECRET,
    Json,
    Shape,
    item,
    previous_attributes,
    signed_header,
    subscription,
)


@pytest.mark.parametrize(
    ("before", "after", "previous"),
    [
        ({"name": "Ada"}, {"name": "Ada"}, {}),
        ({"name": "Ada"}, {"name": "Bob"}, {"name": "Ada"}),
        ({"metadata": {}}, {"metadata": {"foo": "bar"}}, {"metadata": {"foo": None}}),
        ({"metadata": {"a": "1", "b": "2"}}, {"metadata": {"b": "2"}}, {"metadata": {"a": "1"}}),
        ({"tags": [1, 2]}, {"tags": [2]}, {"tags": [1, 2]}),
        ({"address": None}, {"address": {"city": "Rome"}}, {"address": None}),
        ({"address": {"city": "Rome"}}, {"address": None}, {"address": {"city": "Rome"}}),
    ],
)
def test_previous_attributes_hold_the_old_values_of_what_changed(
    before: Json, after: Json, previous: Json
) -> None:
    assert previous_attributes(before, after) == previous


def test_a_changed_list_object_is_a_hash_that_holds_the_whole_old_array() -> None:
    before, after = subscription(items=[item(quantity=1)]), subscription(items=[item(quantity=2)])

    assert previous_attributes(before, after) == {
        "items": {"data": before["items"]["data"]},
        "quantity": 1,
    }


def test_legacy_keeps_the_period_on_the_subscription() -> None:
    built = subscription(shape=Shape.LEGACY, period=(1, 2))

    assert (built["current_period_start"], built["current_period_end"]) == (1, 2)
    assert "current_period_start" not in built["items"]["data"][0]


@pytest.mark.parametrize("shape", [Shape.BASIL, Shape.DAHLIA])
def test_later_shapes_keep_the_period_on_the_items(shape: Shape) -> None:
    built = subscription(shape=shape, period=(1, 2))

    assert "current_period_start" not in built
    assert built["items"]["data"][0]["current_period_start"] == 1
    assert built["items"]["data"][0]["current_period_end"] == 2


@pytest.mark.parametrize(
    ("items", "quantity"), [([item(quantity=3)], 3), ([item("si_1"), item("si_2")], None)]
)
def test_plan_and_quantity_mirror_a_single_item_only(items: list[Json], quantity: Any) -> None:
    built = subscription(items=items)

    assert built["quantity"] == quantity
    assert (built["plan"] is None) == (quantity is None)


def test_stripes_own_library_accepts_our_signatures() -> None:
    body = builders.event_body("customer.updated", builders.customer(name="Zoë"))

    header = signed_header(body, timestamp=NOW)

    assert WebhookSignature.verify_header(body.decode(), header, SECRET, tolerance=None)
