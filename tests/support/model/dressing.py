"""The states of a random history as whole customers and subscriptions, each state a different rendering of the object.

Two renderings of one history always differ in something that Stripe reports when it changes. Knows neither API versions nor
anything of cogento.events.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from msgspec import structs

from cogento.events.versions import Lifecycle, Version
from cogento.local.stripe.objects import CATALOGUE, SECONDS_A_DAY, Customer, Item, StripeObject, Subscription
from tests.support.model.histories import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from random import Random

    from tests.support.model.histories import History

Look = TypeVar("Look", Customer, Subscription)

LIVING = ("incomplete", "active", "past_due", "trialing", "paused", "unpaid")
ENDED = ("canceled", "incomplete_expired")
PERIOD_SECONDS = 366 * SECONDS_A_DAY  # a later period starts after the end of the one before
EARLIER_SECONDS = 60 * SECONDS_A_DAY
ITEMS_CREATED = (START + 5, START, START + 5)
"""By the number of an item: the oldest is not the one with the smallest id, and two are equally old."""

NOTES: tuple[Mapping[str, str], ...] = ({}, {"a": "1"}, {"a": "2"}, {"a": "1", "b": "1"}, {"b": "1"})
ADDRESSES: tuple[Mapping[str, str | None] | None, ...] = (
    None,
    {"city": "Lund", "country": "SE", "line1": "Gatan 1", "line2": None, "postal_code": "1", "state": None},
    {"city": "Lund", "country": "SE", "line1": None, "line2": "Hus B", "postal_code": "1", "state": None},
    {"city": "Oslo", "country": "NO", "line1": None, "line2": None, "postal_code": None, "state": None},
)


class Moment(NamedTuple):
    """An event of a history, with the object that it shows and the one that it leads from."""

    event: Version
    now: StripeObject
    before: StripeObject | None


def lived_by_subscription(history: History, dice: Random) -> Iterator[Moment]:
    """Dress each state as a subscription. What mostly grows is the start of its period, which is part of the state.

    Flexible billing keeps the anchor when an interval changes, so that a period can also start earlier than the
    one before (https://docs.stripe.com/billing/subscriptions/billing-mode/compare).
    """
    looks = _looks(history, _living_subscription, _ended_subscription, dice)
    told, earlier = history.versions[0], _grown(history.versions[0])
    for event in history.versions:
        grown = _grown(event)
        if not tell_one_change(told, event):
            told, earlier = event, _grown(told)
        before = _in_period(looks[event.before], earlier) if event.before else None
        yield Moment(event, _in_period(looks[event.state], grown), before)


def tell_one_change(one: Version, other: Version) -> bool:
    """Tell whether two events are of one request: one change, sent to two endpoints."""
    return one is not other and one.request is not None and one.request == other.request


def lived_by_customer(history: History, dice: Random) -> Iterator[Moment]:
    """Dress each state as a customer. The growing value is the number of its next invoice, with or without an event.

    It can be set to any number greater than all that are used, so also to a lower one
    (https://docs.stripe.com/invoicing/customize). A customer has one end, its deletion, and nothing comes after.
    """
    looks = _looks(history, _customer, _customer, dice)
    living = [event for event in history.versions if not event.terminal]
    ends = [event for event in history.versions if event.terminal][:1]
    deletions = [structs.replace(end, lifecycle=Lifecycle.DELETED, before=None) for end in ends]
    told, earlier = history.versions[0], _grown(history.versions[0])
    for event in (*living, *deletions):
        now, grown = looks[event.state], _grown(event)
        if not tell_one_change(told, event):
            told, earlier = event, _grown(told)
        before = replace(looks[event.before], next_invoice_sequence=earlier) if event.before else None
        yield Moment(event, replace(now, next_invoice_sequence=grown), before)


def _looks(
    history: History, living: Callable[[Random], Look], ended: Callable[[Random], Look], dice: Random
) -> dict[bytes, Look]:
    states = {state for event in history.versions for state in (event.state, event.before) if state}
    ends = {event.state for event in history.versions if event.terminal}
    return _distinct(living, states - ends, dice) | _distinct(ended, ends, dice)


def _distinct(draw: Callable[[Random], Look], states: set[bytes], dice: Random) -> dict[bytes, Look]:
    looks: list[Look] = []
    while len(looks) < len(states):
        look = draw(dice)
        if look not in looks:
            looks.append(look)
    return dict(zip(sorted(states), looks, strict=True))


def _grown(event: Version) -> int:
    return event.growing[0] if event.growing else 1


def _customer(dice: Random) -> Customer:
    return Customer(
        id="cus_1",
        created=START,
        invoice_prefix="7FE1103",
        email=dice.choice(("ada@example.com", "bob@example.com", None)),
        name=dice.choice(("Ada", "Bob", None)),
        phone=dice.choice(("+46", None)),
        address=dice.choice(ADDRESSES),
        metadata=dice.choice(NOTES),
        balance=dice.choice((0, -500)),
        delinquent=dice.random() < 0.5,
        default_payment_method=dice.choice(("pm_1", "pm_2", None)),
    )


def _living_subscription(dice: Random) -> Subscription:
    return Subscription(
        id="sub_1",
        customer=dice.choice(("cus_1", "cus_1", "cus_1", "cus_2")),
        created=START,
        status=dice.choice(LIVING),
        items=tuple(_items(dice)),
        metadata=dice.choice(NOTES),
        billing_cycle_anchor=START,
        latest_invoice=dice.choice(("in_1", "in_2", None)),
        cancel_at_period_end=dice.random() < 0.3,
        trial_end=dice.choice((START, None)),
        paused_collection=dice.choice((None, None, "void", "keep_as_draft")),
        collection_method=dice.choice(("charge_automatically", "charge_automatically", "send_invoice")),
    )


def _ended_subscription(dice: Random) -> Subscription:
    living = _living_subscription(dice)
    return replace(living, status=dice.choice(ENDED), canceled_at=dice.choice((START, None)), ended_at=START)


def _items(dice: Random) -> Iterator[Item]:
    """One item or several, often with mixed intervals: a yearly one then began before the others."""
    numbers = dice.choice(((0,), (0,), (1,), (0, 1), (0, 2), (0, 1, 2)))
    for number in numbers:
        price = dice.choice(CATALOGUE)
        is_earlier = len(numbers) > 1 and price.interval == "year"
        start = START - EARLIER_SECONDS if is_earlier else START
        yield Item(
            id=f"si_{number}",
            created=ITEMS_CREATED[number],
            price=price,
            quantity=dice.choice((1, 2, 3)),
            period_start=start,
            period_end=price.end_of_period(start),
        )


def _in_period(look: Subscription, number: int) -> Subscription:
    later = number * PERIOD_SECONDS
    items = (
        replace(one, period_start=one.period_start + later, period_end=one.period_end + later)
        for one in look.items
    )
    return replace(look, items=tuple(items))
