"""A stream of an account's events for benchmarks: real sizes, no two events of an object in one second.

Each customer is created with one subscription; then random ones change, three subscriptions for each customer.
Bodies are made from templates, so that a million of them take seconds.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from cogento.local.stripe.events import AccountEvent, webhook_body
from cogento.local.stripe.objects import CATALOGUE, Customer, Item, Subscription
from cogento.local.stripe.shapes import DAHLIA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.local.stripe.objects import StripeObject

START = 1_780_000_000
SECONDS_APART = 3
SHARE_OF_CUSTOMERS = 0.25
ADDRESS = {
    "city": "Lund",
    "country": "SE",
    "line1": "Gatan 1",
    "line2": None,
    "postal_code": "22100",
    "state": None,
}
# Placeholders in a template for an event's own values.
EVENT, OBJECT, CREATED, NOW, BEFORE = "@EVENT@", "@OBJECT@", 1_111_111_111, "@NOW@", "@BEFORE@"


def bodies(events: int, *, customers: int, seed: int = 1) -> Iterator[bytes]:
    """The bodies of `events` events over `customers` customers (at most half as many as events), in true order."""
    chance, number = Random(seed), count()
    customers = min(customers, events // 2)
    revisions = [0] * customers
    for one in range(customers):
        yield _print(_CUSTOMER_CREATED, next(number), one, 0)
        yield _print(_SUBSCRIPTION_CREATED, next(number), one, 0)
    for _ in range(events - 2 * customers):
        one = chance.randrange(customers)
        revisions[one] += 1
        template = _CUSTOMER_UPDATED if chance.random() < SHARE_OF_CUSTOMERS else _SUBSCRIPTION_UPDATED
        yield _print(template, next(number), one, revisions[one])


def _print(template: bytes, number: int, one: int, revision: int) -> bytes:
    return (
        template.replace(EVENT.encode(), b"%024d" % number)
        .replace(OBJECT.encode(), b"%014d" % one)
        .replace(b"%d" % CREATED, b"%d" % (START + SECONDS_APART * number))
        .replace(NOW.encode(), b"%d" % revision)
        .replace(BEFORE.encode(), b"%d" % (revision - 1))
    )


def _template(kind: str, state: StripeObject, before: StripeObject | None = None) -> bytes:
    event = AccountEvent(
        sequence=0,
        id=f"evt_{EVENT}",
        type=kind,
        created=CREATED,
        state=state,
        before=before,
        api_version=DAHLIA,
        request_id=None,
    )
    return webhook_body(event)


_CUSTOMER = Customer(
    id=f"cus_{OBJECT}",
    created=START,
    invoice_prefix=OBJECT,
    email=f"user{OBJECT}@example.com",
    name=f"User {OBJECT}",
    address=ADDRESS,
    metadata={"membership_type": "Adult", "revision": NOW},
)
_ITEM = Item(f"si_{OBJECT}", START, CATALOGUE[0], 1, START, CATALOGUE[0].end_of_period(START))
_SUBSCRIPTION = Subscription(
    id=f"sub_{OBJECT}",
    customer=f"cus_{OBJECT}",
    created=START,
    status="active",
    items=(_ITEM,),
    metadata={"subscription_type": "Premium", "revision": NOW},
    billing_cycle_anchor=START,
    latest_invoice=f"in_{NOW}",
)
_CUSTOMER_BEFORE = replace(_CUSTOMER, metadata={**_CUSTOMER.metadata, "revision": BEFORE})
_SUBSCRIPTION_BEFORE = replace(
    _SUBSCRIPTION, metadata={**_SUBSCRIPTION.metadata, "revision": BEFORE}, latest_invoice=f"in_{BEFORE}"
)

_CUSTOMER_CREATED = _template("customer.created", _CUSTOMER)
_SUBSCRIPTION_CREATED = _template("customer.subscription.created", _SUBSCRIPTION)
_CUSTOMER_UPDATED = _template("customer.updated", _CUSTOMER, _CUSTOMER_BEFORE)
_SUBSCRIPTION_UPDATED = _template("customer.subscription.updated", _SUBSCRIPTION, _SUBSCRIPTION_BEFORE)
