from __future__ import annotations

from cogento.local.stripe.objects import CATALOGUE, Item, Subscription
from cogento.local.stripe.shapes import DAHLIA, LEGACY, customer_json, subscription_json
from tests.support.stripe_histories import lived

MONTHLY, YEARLY = CATALOGUE[0], CATALOGUE[1]


def _subscription(*items: Item) -> Subscription:
    return Subscription(
        id="sub_1",
        customer="cus_1",
        created=100,
        status="active",
        items=items,
        metadata={},
        billing_cycle_anchor=100,
    )


def test_recent_versions_keep_the_period_on_the_items() -> None:
    shown = subscription_json(_subscription(Item("si_1", 100, MONTHLY, 1, 100, 200)), DAHLIA)
    assert "current_period_start" not in shown
    assert shown["items"]["data"][0]["current_period_end"] == 200


def test_old_versions_keep_the_period_on_the_subscription_from_the_latest_start_to_the_earliest_end() -> None:
    items = (Item("si_1", 100, MONTHLY, 1, 150, 200), Item("si_2", 100, YEARLY, 1, 100, 900))
    shown = subscription_json(_subscription(*items), LEGACY)
    assert (shown["current_period_start"], shown["current_period_end"]) == (150, 200)
    assert "current_period_start" not in shown["items"]["data"][0]


def test_two_versions_list_the_items_of_one_state_in_two_orders() -> None:
    items = (Item("si_1", 100, MONTHLY, 1, 100, 200), Item("si_2", 100, YEARLY, 1, 100, 900))
    recent, old = (subscription_json(_subscription(*items), version) for version in (DAHLIA, LEGACY))
    assert [item["id"] for item in recent["items"]["data"]] == ["si_1", "si_2"]
    assert [item["id"] for item in old["items"]["data"]] == ["si_2", "si_1"]


def test_plan_and_quantity_mirror_the_only_item() -> None:
    shown = subscription_json(_subscription(Item("si_1", 100, MONTHLY, 3, 100, 200)), DAHLIA)
    assert (shown["plan"], shown["quantity"]) == (shown["items"]["data"][0]["plan"], 3)


def test_plan_and_quantity_are_null_when_there_are_several_items() -> None:
    items = (Item("si_1", 100, MONTHLY, 1, 100, 200), Item("si_2", 100, YEARLY, 1, 100, 900))
    shown = subscription_json(_subscription(*items), DAHLIA)
    assert (shown["plan"], shown["quantity"]) == (None, None)


def test_objects_begin_with_id_and_kind_and_go_on_in_order_as_stripe_writes_them() -> None:
    account = lived(steps=50)
    one = next(iter(account.subscriptions.values()))
    keys = list(subscription_json(one, DAHLIA))
    assert keys[:2] == ["id", "object"]
    assert keys[2:] == sorted(keys[2:])


def test_customers_are_the_same_in_both_versions_but_for_new_fields() -> None:
    account = lived(steps=50)
    one = next(iter(account.customers.values()))
    assert customer_json(one, DAHLIA).keys() - customer_json(one, LEGACY).keys() == {"customer_account"}
