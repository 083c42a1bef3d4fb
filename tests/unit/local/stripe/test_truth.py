from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from cogento.local.stripe import customer_actions
from cogento.local.stripe.account import Account, Burst
from cogento.local.stripe.objects import Customer
from cogento.local.stripe.truth import read_truth, truth, write_truth
from tests.support.stripe_histories import START, Json, lived, long_life, posted


def test_replaying_the_events_in_their_true_order_gives_the_users() -> None:
    account = long_life()
    replayed = _replayed(posted(account), kind="customer")
    shown = {
        one.stripe_customer_id: (
            one.stripe_email,
            one.name,
            one.phone,
            one.address,
            one.metadata,
            one.deleted,
        )
        for one in truth(account).users
    }
    assert shown == {an_id: _user_columns(event) for an_id, event in replayed.items()}


def test_replaying_the_events_in_their_true_order_gives_the_subscriptions() -> None:
    account = long_life()
    replayed = _replayed(posted(account), kind="subscription")
    shown = {
        one.stripe_subscription_id: (
            one.stripe_customer_id,
            one.product_id,
            one.status,
            one.current_period_start,
            one.current_period_end,
            one.metadata,
        )
        for one in truth(account).subscriptions
    }
    assert shown == {an_id: _subscription_columns(event) for an_id, event in replayed.items()}


def test_the_first_possible_event_is_the_last_that_truly_happened() -> None:
    account = long_life()
    last = {event.object_id: event.id for event in account.events}
    named = {one.stripe_customer_id: next(iter(one.events)) for one in truth(account).users}
    assert named.items() <= last.items()


def test_every_address_is_held_by_the_oldest_live_customer_that_has_it() -> None:
    account = long_life()
    live = [one for one in account.customers.values() if not one.deleted]
    expected = {
        one.id: one.email
        if one.email and not any(_is_older(other, one) for other in live if other.email == one.email)
        else f"{one.id}@placeholder.invalid"
        for one in live
    }
    shown = {one.stripe_customer_id: one.email for one in truth(account).users if not one.deleted}
    assert shown == expected


def test_addresses_are_unique() -> None:
    addresses = [one.email for one in truth(long_life()).users]
    assert len(set(addresses)) == len(addresses)


def test_a_deleted_customer_hands_its_address_over_and_is_erased() -> None:
    account = Account(Random(1))
    burst = Burst(account, START)
    older = customer_actions.new_customer(burst)
    burst.at += 10
    younger = customer_actions.new_customer(burst)
    burst.change(older, email="ada@example.com")
    burst.change(younger, email="ada@example.com")
    account.end(_deleted(account, older.id), at=START + 20)

    users = {one.stripe_customer_id: one for one in truth(account).users}

    assert users[younger.id].email == "ada@example.com"
    assert users[older.id].email == f"{older.id}@placeholder.invalid"
    assert (users[older.id].stripe_email, users[older.id].name, users[older.id].metadata) == (None, None, {})
    assert users[older.id].deleted


def test_a_change_that_no_column_shows_leaves_the_choice_of_event_open() -> None:
    account = Account(Random(1))
    burst = Burst(account, START)
    customer = customer_actions.new_customer(burst)
    burst.at += 100
    burst.change(customer, next_invoice_sequence=2)
    (user,) = truth(account).users
    assert list(user.events) == [event.id for event in reversed(account.events)]


def test_a_state_that_was_left_and_came_back_is_named_by_its_second_coming() -> None:
    account = Account(Random(1))
    burst = Burst(account, START)
    customer = customer_actions.new_customer(burst)
    burst.at += 100
    burst.change(customer, name="Grace")
    burst.at += 100
    burst.change(customer, name=customer.name)
    (user,) = truth(account).users
    assert list(user.events) == [account.events[-1].id]


def test_the_truth_travels_as_lines() -> None:
    known = truth(lived(steps=300))
    assert read_truth(write_truth(known)) == known


def test_whose_last_events_never_came_shows_what_the_others_tell() -> None:
    account = Account(Random(1))
    burst = Burst(account, START)
    older = customer_actions.new_customer(burst)
    burst.at += 10
    younger = customer_actions.new_customer(burst)
    burst.change(older, email="ada@example.com")
    told = account.events[-1]
    burst.change(younger, email="ada@example.com")
    account.end(_deleted(account, older.id), at=START + 20)

    users = {one.stripe_customer_id: one for one in truth(account, {older.id: [told.id]}).users}

    assert users[older.id].email == "ada@example.com"
    assert users[older.id].events == {told.id: told.created}
    assert users[younger.id].email == f"{younger.id}@placeholder.invalid"


def test_of_whom_nothing_was_ever_told_has_no_row_and_no_subscription() -> None:
    account = long_life()
    owner = next(iter(account.subscriptions.values())).customer

    known = truth(account, {owner: []})

    assert owner not in {one.stripe_customer_id for one in known.users}
    assert owner not in {one.stripe_customer_id for one in known.subscriptions}


def _deleted(account: Account, customer_id: str) -> Customer:
    return replace(account.customers[customer_id], deleted=True)


def _replayed(events: list[Json], *, kind: str) -> dict[str, Json]:
    return {
        event["data"]["object"]["id"]: event for event in events if event["data"]["object"]["object"] == kind
    }


def _user_columns(event: Json) -> tuple[Any, ...]:
    if event["type"] == "customer.deleted":
        return (None, None, None, None, {}, True)
    one = event["data"]["object"]
    return (one["email"], one["name"], one["phone"], one["address"], one["metadata"], False)


def _subscription_columns(event: Json) -> tuple[Any, ...]:
    one = event["data"]["object"]
    items = sorted(one["items"]["data"], key=lambda item: (item["created"], item["id"]))
    return (
        one["customer"],
        items[0]["price"]["product"],
        one["status"],
        max(item["current_period_start"] for item in items),
        min(item["current_period_end"] for item in items),
        one["metadata"],
    )


def _is_older(one: Customer, other: Customer) -> bool:
    return (one.created, one.id) < (other.created, other.id)
