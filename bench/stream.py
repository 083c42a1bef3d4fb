"""A stream of an account's events for benchmarks: real sizes, no two events of an object in one second.

Each customer is created with one subscription; then random ones change, three subscriptions for each customer.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from local.stripe.account import Account
from local.stripe.event import webhook_body
from local.stripe.objects import CATALOGUE, Customer, Item, Subscription
from local.stripe.shapes import DAHLIA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.stripe.event import Event

START = 1_780_000_000
SECONDS_APART = 3
STATUSES = ("active", "past_due", "trialing")
SHARE_OF_CUSTOMERS = 0.25
ADDRESS = {
    "city": "Lund",
    "country": "SE",
    "line1": "Gatan 1",
    "line2": None,
    "postal_code": "22100",
    "state": None,
}


def bodies(events: int, *, customers: int, seed: int = 1) -> Iterator[bytes]:
    """The bodies of `events` events over `customers` customers (at most half as many as events), in true order."""
    chance = Random(seed)
    account = Account(chance, api_version=DAHLIA)
    seconds = count(START, SECONDS_APART)
    customers = min(customers, events // 2)
    for number in range(customers):
        yield webhook_body(account.begin(_customer(number), at=next(seconds)))
        yield webhook_body(account.begin(_subscription(number), at=next(seconds)))
    for _ in range(events - 2 * customers):
        yield webhook_body(_change(account, chance.randrange(customers), at=next(seconds)))


def _change(account: Account, number: int, *, at: int) -> Event:
    changed: Customer | Subscription
    if account.random.random() < SHARE_OF_CUSTOMERS:
        customer = account.customers[f"cus_{number:014d}"]
        changed = replace(customer, metadata={**customer.metadata, "revision": str(at)})
    else:
        subscription = account.subscriptions[f"sub_{number:024d}"]
        changed = replace(
            subscription, status=STATUSES[at % 3], metadata={**subscription.metadata, "revision": str(at)}
        )
    event = account.change(changed, at=at)
    assert event is not None  # `at` is in its metadata
    return event


def _customer(number: int) -> Customer:
    return Customer(
        id=f"cus_{number:014d}",
        created=START,
        invoice_prefix=f"{number:08X}",
        email=f"user{number}@example.com",
        name=f"User {number}",
        address=ADDRESS,
        metadata={"membership_type": "Adult", "revision": "0"},
    )


def _subscription(number: int) -> Subscription:
    price = CATALOGUE[number % len(CATALOGUE)]
    item = Item(f"si_{number:014d}", START, price, 1, START, price.end_of_period(START))
    return Subscription(
        id=f"sub_{number:024d}",
        customer=f"cus_{number:014d}",
        created=START,
        status="active",
        items=(item,),
        metadata={"subscription_type": "Premium", "revision": "0"},
        billing_cycle_anchor=START,
    )
