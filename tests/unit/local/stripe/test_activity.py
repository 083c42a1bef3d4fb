from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from cogento.local.stripe.activity import DECREASES, WEIGHTS
from cogento.local.stripe.objects import Customer, Subscription
from tests.support.stripe_histories import lived, long_life

if TYPE_CHECKING:
    from cogento.local.stripe.account import Account


def falls(account: Account) -> tuple[int, int]:
    """Count how often the number of a next invoice, and the period start of an only item, is lower than before."""
    changes = [(event.before, event.state) for event in account.events if event.before]
    numbers = [
        (before.next_invoice_sequence, now.next_invoice_sequence)
        for before, now in changes
        if isinstance(before, Customer) and isinstance(now, Customer)
    ]
    starts = [
        (before.period_start, now.period_start)
        for before, now in changes
        if isinstance(before, Subscription) and isinstance(now, Subscription)
        if len(before.items) == len(now.items) == 1
    ]
    return sum(now < before for before, now in numbers), sum(now < before for before, now in starts)


def test_what_mostly_grows_falls_in_a_life_that_asks_for_it() -> None:
    numbers, starts = falls(lived(steps=3000, weights={**WEIGHTS, **DECREASES}))

    assert numbers > 5
    assert starts > 5


def test_no_invoice_number_is_used_twice() -> None:
    account = lived(steps=3000, weights={**WEIGHTS, **DECREASES})
    customers = [[event.state for event in account.history(an_id)] for an_id in account.customers]
    used = [
        (before.last_invoice_number, now.last_invoice_number)
        for states in customers
        for before, now in pairwise(states)
        if isinstance(before, Customer) and isinstance(now, Customer)
    ]

    assert all(before <= now for before, now in used)


def test_a_life_draws_mixed_intervals_and_up_to_three_items() -> None:
    subscriptions = long_life().subscriptions.values()

    assert {len(one.items) for one in subscriptions} == {1, 2, 3}
    assert {"month", "year"} in [{item.price.interval for item in one.items} for one in subscriptions]
    assert [one for one in subscriptions if one.product != one.items[0].price.product] != []
