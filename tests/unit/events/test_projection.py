"""An event's evidence of order: the state it shows and the state it says came before, in every rendering."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogento.events.event import read_event
from cogento.events.projection import fingerprint, undo
from cogento.events.reductions import pruned
from cogento.ordering.order import Lifecycle, Version
from tests.support.builders import (
    NOW,
    Json,
    Shape,
    customer,
    deleted_customer,
    event_body,
    item,
    previous_attributes,
    subscription,
)
from tests.support.model.lives import customers, rendered, subscriptions

# Undoing previous_attributes as Stripe writes them.

scalars = st.none() | st.text("ab", max_size=2) | st.integers(2, 4)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("klmn"), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("klmn"), values, max_size=4)


@given(objects, objects)
@settings(max_examples=200)
def test_undoing_what_stripe_writes_gives_the_object_before(before: Json, after: Json) -> None:
    assert pruned(undo(after, previous_attributes(before, after))) == pruned(before)


@pytest.mark.parametrize(
    ("now", "previous", "before"),
    [
        ({"a": 1, "b": 2}, {"a": 0}, {"a": 0, "b": 2}),
        ({"address": {"city": "Oslo", "line1": "x"}}, {"address": {"city": "Lund"}}, {"address": {"city": "Lund", "line1": "x"}}),
        ({"metadata": {"a": "1"}}, {"metadata": {"a": None}}, {"metadata": {"a": None}}),
        ({"address": None}, {"address": {"city": "Lund"}}, {"address": {"city": "Lund"}}),
        ({"address": {"city": "Lund"}}, {"address": None}, {"address": None}),
        ({"items": {"data": [1], "has_more": False}}, {"items": {"data": [2, 3]}}, {"items": {"data": [2, 3], "has_more": False}}),
        ({"tags": [1, 2]}, {"tags": [1]}, {"tags": [1]}),
        ({}, {"invoice_settings": {"default_payment_method": "pm_1"}}, {"invoice_settings": {"default_payment_method": "pm_1"}}),
    ],
)  # fmt: skip
def test_undoes_hashes_in_part_and_arrays_whole(now: Json, previous: Json, before: Json) -> None:
    assert undo(now, previous) == before


# From event to event.


def differ(pair: tuple[Json, Json]) -> bool:
    return pair[0] != pair[1]


@given(st.tuples(subscriptions, subscriptions).filter(differ), st.sampled_from(Shape), st.sampled_from(Shape))
@settings(max_examples=100)
def test_a_subscriptions_update_leads_from_the_state_that_an_earlier_event_showed(
    pair: tuple[Json, Json], shape: Shape, earlier_shape: Shape
) -> None:
    old, new = pair
    earlier = read("customer.subscription.created", rendered(old, earlier_shape))

    update = read("customer.subscription.updated", rendered(new, shape), before=rendered(old, shape))

    assert update.before == earlier.state


@given(st.tuples(customers, customers).filter(differ))
@settings(max_examples=100)
def test_a_customers_update_leads_from_the_state_that_an_earlier_event_showed(
    pair: tuple[Json, Json],
) -> None:
    old, new = pair
    earlier = read("customer.created", customer(**old))

    update = read("customer.updated", customer(**new), before=customer(**old))

    assert update.before == earlier.state


@given(subscriptions, subscriptions)
@settings(max_examples=100)
def test_all_renderings_of_one_update_are_the_same_evidence(old: Json, new: Json) -> None:
    versions = [
        read("customer.subscription.updated", rendered(new, shape), before=rendered(old, shape))
        for shape in Shape
    ]

    assert versions[0] == versions[1] == versions[2]


@given(subscriptions, subscriptions)
@settings(max_examples=150)
def test_states_that_hash_alike_show_alike(one: Json, other: Json) -> None:
    first, second = (read("customer.subscription.updated", rendered(o, Shape.BASIL)) for o in (one, other))

    assert first.state != second.state or first.columns == second.columns


def read(type_: str, object_: Json, **fields: Any) -> Version:
    return read_event(event_body(type_, object_, **fields)).version


def test_an_expanded_customer_is_the_same_state_as_its_id() -> None:
    assert state(subscription(customer="cus_7")) == state(subscription(customer=customer("cus_7")))


def test_an_old_plan_is_the_same_state_as_the_price_it_became() -> None:
    old = item("si_1")
    del old["price"]

    assert state(subscription(items=[old])) == state(subscription(items=[item("si_1")]))


def test_a_subscription_from_before_there_were_items_is_read_from_its_plan() -> None:
    plan = {"id": "gold", "object": "plan", "product": "prod_1"}
    bare = {**subscription(shape=Shape.LEGACY), "items": None, "plan": plan, "quantity": 2}

    update = read("customer.subscription.updated", bare, before={**bare, "plan": {**plan, "id": "silver"}})

    assert update.before == state({**bare, "plan": {**plan, "id": "silver"}})
    assert update.before != update.state


@pytest.mark.parametrize("empty", [None, {}, {"city": None, "line1": None}])
def test_a_null_an_empty_and_a_hollow_address_are_one_state(empty: Json | None) -> None:
    assert customer_state(customer(address=empty)) == customer_state(customer(address=None))


def test_the_order_of_items_is_no_state_and_their_product_is() -> None:
    one, two = item("si_1", product="prod_1"), item("si_2", product="prod_1")
    other = item("si_1", product="prod_2")

    assert state(subscription(items=[one, two])) == state(subscription(items=[two, one]))
    assert state(subscription(items=[one, two])) != state(subscription(items=[two, other]))


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"status": "past_due"}, True),
        ({"metadata": {"a": "b"}}, True),
        ({"cancel_at_period_end": True}, True),
        ({"latest_invoice": "in_2"}, True),
        ({"trial_end": NOW}, True),
        ({"description": "not kept"}, False),
    ],
)
def test_what_tells_states_apart_is_known(change: Json, differs: bool) -> None:  # noqa: FBT001 - a table
    assert (state(subscription(**change)) != state(subscription())) is differs


def test_an_update_of_what_we_do_not_keep_leads_from_where_it_is() -> None:
    update = read("customer.updated", customer(shipping=None), before=customer(shipping={"name": "x"}))

    assert update.before == update.state


def test_an_update_that_says_nothing_of_before_is_a_sighting() -> None:
    silent = read("customer.updated", customer())
    empty = read("customer.updated", customer(), before=customer())

    assert (silent.before, empty.before) == (None, None)


def state(subscription_: Json) -> bytes:
    return read("customer.subscription.created", subscription_).state


def customer_state(customer_: Json) -> bytes:
    return read("customer.created", customer_).state


# What else an event says of order.


@pytest.mark.parametrize(
    ("type_", "status", "lifecycle", "terminal"),
    [
        ("customer.subscription.created", "incomplete", Lifecycle.CREATED, False),
        ("customer.subscription.updated", "active", Lifecycle.CHANGED, False),
        ("customer.subscription.updated", "paused", Lifecycle.CHANGED, False),
        ("customer.subscription.updated", "canceled", Lifecycle.CHANGED, True),
        ("customer.subscription.updated", "incomplete_expired", Lifecycle.CHANGED, True),
        ("customer.subscription.trial_will_end", "trialing", Lifecycle.CHANGED, False),
        ("customer.subscription.deleted", "active", Lifecycle.DELETED, True),
    ],
)
def test_knows_first_and_last_events(
    type_: str,
    status: str,
    lifecycle: Lifecycle,
    terminal: bool,  # noqa: FBT001 - a table
) -> None:
    version = read(type_, subscription(status=status))

    assert (version.lifecycle, version.terminal) == (lifecycle, terminal)


def test_a_deleted_customer_has_one_state_whatever_it_was() -> None:
    one, other = (read("customer.deleted", customer(name=name)) for name in ("Ada", "Bob"))

    assert one.terminal
    assert one.state == other.state
    assert read("customer.deleted", deleted_customer()).terminal


def test_the_next_invoice_and_the_start_of_the_only_item_grow() -> None:
    assert read("customer.updated", customer(next_invoice_sequence=7)).growing == (7,)
    assert read("customer.subscription.updated", subscription(period=(NOW, NOW + 1))).growing == (NOW,)
    several = subscription(items=[item("si_1"), item("si_2")])
    assert read("customer.subscription.updated", several).growing == ()


def test_a_cut_list_of_items_is_partial() -> None:
    cut = subscription()
    cut["items"]["has_more"] = True

    assert read("customer.subscription.updated", cut).partial
    assert not read("customer.subscription.updated", subscription()).partial


@pytest.mark.parametrize("odd", ["\ud800", 2**70, -(2**70), 0.5, [["deep", {"k": None}]]])
def test_odd_values_have_a_fingerprint_too(odd: object) -> None:
    assert len(fingerprint([odd])) == 6
    assert fingerprint([odd]) == fingerprint([odd])
