"""A subscription as `subscriptions` shows it, in every shape that Stripe has given it."""

from __future__ import annotations

from typing import Any

import pytest

from cogento.events.errors import PermanentError
from cogento.events.kinds.subscription import SubscriptionColumns, read_subscription
from tests.support.builders import NOW, Json, Shape, customer, deleted_customer, item, subscription

START, END = NOW - 100, NOW + 100


def without(obj: Json, *keys: str) -> Json:
    return {key: value for key, value in obj.items() if key not in keys}


def period_of(obj: Json) -> tuple[int | None, int | None]:
    columns = read_subscription(obj)
    return columns.current_period_start, columns.current_period_end


@pytest.mark.parametrize("shape", Shape)
def test_every_shape_of_one_subscription_gives_the_same_columns(shape: Shape) -> None:
    obj = subscription(shape=shape, period=(START, END), metadata={"tier": "gold"}, created=NOW)

    assert read_subscription(obj) == SubscriptionColumns(
        customer_id="cus_1",
        product_id="prod_1",
        status="active",
        current_period_start=START,
        current_period_end=END,
        metadata='{"tier":"gold"}',
        stripe_created_at=NOW,
        items=f'[{{"created":{NOW},"currency":"usd","id":"si_1","interval":null,"interval_count":null,'
        '"price":"price_1","product":"prod_1","quantity":1,"unit_amount":null}]',
        cancel_at_period_end=False,
        cancel_at=None,
        canceled_at=None,
        ended_at=None,
        trial_end=None,
        start_date=NOW,
        collection_method="charge_automatically",
        pause_collection=None,
    )


def test_several_items_make_a_period_from_the_latest_start_to_the_earliest_end() -> None:
    items = [
        item("si_1", period=(START + 5, END)),
        item("si_2", period=(START, END - 5)),
        item("si_3", period=(START + 1, END - 1)),
    ]

    assert period_of(subscription(items=items)) == (START + 5, END - 5)


def test_an_item_without_period_does_not_count() -> None:
    items = [
        item("si_1", current_period_start=None, current_period_end=None),
        item("si_2", period=(START, END)),
    ]

    assert period_of(subscription(items=items)) == (START, END)


def test_the_period_of_the_subscription_itself_comes_first() -> None:
    obj = subscription(current_period_start=START, current_period_end=END, items=[item(period=(1, 2))])

    assert period_of(obj) == (START, END)


def test_no_period_anywhere_is_none() -> None:
    assert period_of(
        without(subscription(shape=Shape.LEGACY), "current_period_start", "current_period_end")
    ) == (
        None,
        None,
    )


@pytest.mark.parametrize(
    "items", [None, {}, {"object": "list", "data": []}, {"object": "list", "data": None}]
)
def test_no_items_leave_the_product_to_the_plan(items: Any) -> None:
    obj = subscription(plan={"id": "plan_1", "product": "prod_9"})

    assert read_subscription({**obj, "items": items}).product_id == "prod_9"


def test_missing_items_leave_the_product_to_the_plan() -> None:
    obj = without(subscription(plan={"id": "plan_1", "product": "prod_9"}), "items")

    assert read_subscription(obj).product_id == "prod_9"


EXPANDED = {"id": "prod_9", "object": "product", "name": "Gold"}
GONE = {"id": "prod_9", "object": "product", "deleted": True}


@pytest.mark.parametrize(
    "oldest",
    [
        pytest.param({"price": {"product": "prod_9"}, "plan": {"product": "prod_0"}}, id="price"),
        pytest.param({"price": {"product": EXPANDED}}, id="price, expanded"),
        pytest.param({"price": {"product": GONE}}, id="price, expanded, deleted"),
        pytest.param({"plan": {"product": "prod_9"}}, id="plan, before prices"),
        pytest.param({"price": None, "plan": {"product": EXPANDED}}, id="plan, expanded"),
        pytest.param(
            {"price": {"product": None}, "plan": {"product": "prod_9"}}, id="plan beside an empty price"
        ),
    ],
)
def test_the_product_is_what_the_oldest_item_sells(oldest: Json) -> None:
    items = [item("si_2", product="prod_0"), {"id": "si_1", "created": NOW - 1, **oldest}]

    assert read_subscription(subscription(items=items, plan={"product": "prod_0"})).product_id == "prod_9"


def test_a_plan_from_before_products_has_none() -> None:
    obj = subscription(items=[{"id": "si_1", "plan": {"id": "gold", "name": "Gold"}}])

    assert read_subscription(obj).product_id is None


@pytest.mark.parametrize("owner", ["cus_7", customer("cus_7"), deleted_customer("cus_7")])
def test_the_customer_is_given_by_id_or_expanded(owner: str | Json) -> None:
    assert read_subscription(subscription(customer=owner)).customer_id == "cus_7"


@pytest.mark.parametrize("owner", [None, 5, "", "cus 1", "cus_\ufffd", [], {}, {"id": 5}])
def test_a_subscription_without_customer_is_malformed(owner: Any) -> None:
    with pytest.raises(PermanentError, match="has no customer"):
        read_subscription(subscription(customer=owner))


@pytest.mark.parametrize("status", ["trialing", "paused", "not_invented_yet", "ACTIVE"])
def test_a_status_is_stored_as_it_comes(status: str) -> None:
    assert read_subscription(subscription(status=status)).status == status


@pytest.mark.parametrize("status", [None, ""])
def test_a_subscription_without_status_is_malformed(status: Any) -> None:
    with pytest.raises(PermanentError, match="has no status"):
        read_subscription(subscription(status=status))


@pytest.mark.parametrize("metadata", [None, {}])
def test_no_metadata_is_an_empty_object(metadata: Any) -> None:
    assert read_subscription(subscription(metadata=metadata)).metadata == "{}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": 5}, "`status` is not a string"),
        ({"status": "s" * 256}, "`status` is longer than 255 characters"),
        ({"metadata": []}, "`metadata` is not an object"),
        ({"created": 10**18}, "`created` is not a valid time"),
        ({"current_period_start": -1}, "`current_period_start` is not a valid time"),
        ({"current_period_end": "tomorrow"}, "`current_period_end` is not a valid time"),
        ({"items": []}, "`items` is not an object"),
        ({"items": {"data": {"id": "si_1"}}}, "`items` is not a list of objects"),
        ({"items": {"data": ["si_1"]}}, "`items` is not a list of objects"),
        ({"items": {"data": [{"price": "price_1"}]}}, "`price` is not an object"),
        ({"plan": "gold"}, "`plan` is not an object"),
    ],
)
def test_an_impossible_value_is_malformed_and_the_message_names_the_field(change: Json, message: str) -> None:
    with pytest.raises(PermanentError) as refused:
        read_subscription({**subscription(), **change})

    assert (refused.value.reason, refused.value.message) == ("malformed", message)


def test_an_impossible_time_on_an_item_is_malformed() -> None:
    with pytest.raises(PermanentError, match="`current_period_end` is not a valid time"):
        read_subscription(subscription(items=[item(current_period_end=10**18)]))


@pytest.mark.parametrize("account", ["acct_1", {"id": "acct_1", "object": "v2.core.account"}, None])
def test_t14_a_customer_that_lives_as_an_account_is_named_like_any_other(account: str | Json | None) -> None:
    with_account = subscription(customer="cus_7", customer_account=account)

    assert read_subscription(with_account) == read_subscription(subscription(customer="cus_7"))


@pytest.mark.parametrize("owner", [None, {}, {"id": None}])
def test_t14_a_subscription_of_an_account_alone_says_that_it_is_one(owner: Any) -> None:
    with pytest.raises(PermanentError, match="no customer, only an account"):
        read_subscription(subscription(customer=owner, customer_account="acct_1"))
