from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import pytest

from cogento.local.stripe.events import webhook_body
from cogento.local.stripe.shapes import DAHLIA, LEGACY
from tests.support.stripe_histories import (
    Json,
    lived,
    long_life,
    posted,
    pruned,
    undone,
    with_true_predecessors,
)

STATUSES = {
    "active", "canceled", "incomplete", "incomplete_expired", "past_due", "paused", "trialing", "unpaid",
}  # fmt: skip
TYPES = {
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.trial_will_end",
    "customer.subscription.paused",
    "customer.subscription.resumed",
}


def test_the_same_seed_and_seconds_give_the_same_bytes() -> None:
    first, second = lived(steps=400, seed=7), lived(steps=400, seed=7)
    assert [webhook_body(event) for event in first.events] == [webhook_body(event) for event in second.events]


def test_another_seed_gives_another_history() -> None:
    assert posted(lived(steps=50, seed=7)) != posted(lived(steps=50, seed=8))


def test_a_long_life_shows_every_type_of_event() -> None:
    assert {event.type for event in long_life().events} == TYPES


def test_a_long_life_goes_through_every_status() -> None:
    events = posted(long_life())
    shown = {event["data"]["object"].get("status") for event in events} - {None}
    assert shown == STATUSES


@pytest.mark.parametrize("api_version", [DAHLIA, LEGACY])
def test_undoing_previous_attributes_gives_what_the_event_before_showed(api_version: str) -> None:
    pairs = with_true_predecessors(posted(lived(steps=1500, api_version=api_version)))
    wrong = [event["id"] for event, before in pairs if pruned(undone(event)) != pruned(before)]
    assert len(pairs) > 1000
    assert wrong == []


def test_only_updates_carry_previous_attributes_and_never_empty_ones() -> None:
    events = posted(lived(steps=1500))
    updated = {event["id"] for event in events if event["type"].endswith(".updated")}
    traced = {event["id"] for event in events if event["data"].get("previous_attributes")}
    assert traced == updated


def test_a_checkout_writes_several_events_of_one_second() -> None:
    seconds = Counter(
        (event.state.customer, event.created) for event in lived(steps=60, population=1000).events
    )
    assert max(seconds.values()) >= 4


def test_event_ids_say_nothing_of_the_order() -> None:
    account = lived(steps=300)
    ids = [event.id for event in account.events]
    assert sorted(ids) != ids
    assert len(set(ids)) == len(ids)


def test_seconds_never_go_back_for_one_customer_save_for_a_late_creation() -> None:
    account = lived(steps=2000)
    of_one = [
        event
        for customer in account.customers
        for event in account.events
        if event.state.customer == customer and not event.type.endswith(".created")
    ]
    back = [
        (one.id, two.id)
        for one, two in pairwise(of_one)
        if one.state.customer == two.state.customer and two.created < one.created
    ]
    assert back == []


def test_some_creations_are_stamped_one_to_six_seconds_late() -> None:
    account = long_life()
    created = [event for event in account.events if event.type.endswith(".created")]
    late = {event.created - event.state.created for event in created} - {0}
    assert late
    assert late <= set(range(1, 8))  # a burst that had run into the next second may add one


def test_nothing_happens_to_a_customer_after_its_deletion() -> None:
    events = posted(long_life())
    gone_at = {
        event["data"]["object"]["id"]: place
        for place, event in enumerate(events)
        if event["type"] == "customer.deleted"
    }
    late = [
        event["id"]
        for place, event in enumerate(events)
        if place > gone_at.get(event["data"]["object"].get("customer", event["data"]["object"]["id"]), 10**9)
    ]
    assert gone_at
    assert late == []


def test_deleting_a_customer_cancels_its_subscriptions_in_the_same_second() -> None:
    account = long_life()
    deleted = {one.id for one in account.customers.values() if one.deleted}
    ended = [one for one in account.subscriptions.values() if one.customer in deleted]
    assert ended
    assert {one.is_ended for one in ended} == {True}


def test_an_ended_subscription_stays_ended() -> None:
    events = posted(long_life())
    ended = {"canceled", "incomplete_expired"}
    revived = [
        event["id"]
        for event, before in with_true_predecessors(events)
        if before.get("status") in ended and event["data"]["object"]["status"] not in ended
    ]
    assert revived == []


def test_period_starts_and_invoice_numbers_only_grow() -> None:
    pairs = with_true_predecessors(posted(long_life()))
    shrunk = [event["id"] for event, before in pairs if _growing(event["data"]["object"]) < _growing(before)]
    assert shrunk == []


def test_the_version_of_the_endpoint_can_change_in_mid_stream() -> None:
    account = lived(steps=20, api_version=LEGACY)
    account.api_version = DAHLIA
    renewed = account.begin(next(iter(account.customers.values())), at=1)
    versions = [json.loads(webhook_body(event))["api_version"] for event in (account.events[0], renewed)]
    assert versions == [LEGACY, DAHLIA]


def test_bodies_are_as_long_as_real_ones() -> None:
    sizes = {event.type: len(webhook_body(event)) for event in lived(steps=300).events}
    assert 1_000 < sizes["customer.created"] < 2_000
    assert 4_000 < sizes["customer.subscription.created"] < 7_000


def _growing(shown: Json) -> int:
    if shown["object"] == "customer":
        return int(shown["next_invoice_sequence"])
    return int(shown["items"]["data"][0]["current_period_start"])
