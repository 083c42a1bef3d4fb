"""Whole Stripe objects that live a few states in one second, each event in any API version's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cogento.events.event import read_event
from tests.support.builders import NOW, Json, Shape, customer, event_body
from tests.support.model.deliveries import Row, row_after, scrambled
from tests.support.model.histories import History
from tests.support.model.lives import customers, rendered, subscriptions
from tests.support.model.oracle import judge

if TYPE_CHECKING:
    from random import Random

    from cogento.ordering.order import Version

shapes = st.lists(st.sampled_from(Shape), min_size=5, max_size=5)
dice = st.randoms(use_true_random=False)

living = st.sampled_from(["incomplete", "active", "past_due", "trialing"])
subscription_lives = st.lists(
    st.tuples(subscriptions, living).map(
        lambda drawn: {**drawn[0], "status": drawn[1], "period": (NOW, NOW + 9)}
    ),
    min_size=2,
    max_size=5,
)
customer_lives = st.lists(customers, min_size=2, max_size=5)


def subscription_event(number: int, life: list[Json], shape: Shape) -> Version:
    before = rendered(life[number - 1], shape) if number else None
    return told("customer.subscription", number, rendered(life[number], shape), before)


def customer_event(number: int, life: list[Json]) -> Version:
    return told(
        "customer", number, customer(**life[number]), customer(**life[number - 1]) if number else None
    )


def told(kind: str, number: int, now: Json, before: Json | None) -> Version:
    fields: dict[str, Any] = {"id_": f"evt_{9 - number}", "created": NOW, "before": before}
    return read_event(event_body(f"{kind}.updated" if number else f"{kind}.created", now, **fields)).version


def rows(history: History, dice: Random, deliveries: list[Version]) -> set[Row]:
    return {row_after(scrambled(dice, deliveries)) for _ in range(3)} | {row_after([[*history.versions]])}


@given(subscription_lives, shapes, shapes, dice)
@settings(max_examples=100)
def test_a_subscription_ends_in_its_last_state_whatever_shapes_its_events_have(
    life: list[Json], first_shapes: list[Shape], second_shapes: list[Shape], dice: Random
) -> None:
    history = History(tuple(subscription_event(n, life, first_shapes[n]) for n in range(len(life))), lost=0)
    again = [subscription_event(n, life, second_shapes[n]) for n in range(len(life))]

    (row,) = rows(history, dice, [*history.versions, *again])

    assert row.columns == history.truth
    assert row.sure is judge(history.versions).decidable is True


@given(customer_lives, dice)
@settings(max_examples=100)
def test_a_customer_ends_in_its_last_state(life: list[Json], dice: Random) -> None:
    history = History(tuple(customer_event(n, life) for n in range(len(life))), lost=0)

    (row,) = rows(history, dice, [*history.versions])

    assert row.columns == history.versions[-1].columns
    assert row.sure
