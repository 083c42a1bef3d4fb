"""Six incidents as operators meet them, made to happen on real servers, for the console and for the commands."""

from __future__ import annotations

from contextlib import closing
from random import Random
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.events.envelope import parse_envelope
from cogento.events.names import CustomerId, EventId
from cogento.local.stripe.account import Account
from cogento.queue.claims import FailedAttempt, Settlement
from cogento.queue.durability import AckDurability
from cogento.retries import FailureClass
from tests.support import builders
from tests.support.builders import NOW
from tests.support.looped import LoopedMailboxes
from tests.support.servers import wait_until
from tests.support.simulated_stripe import SimulatedStripe, deliver, subscription
from tests.support.store_letters import letter
from tests.support.stripe_asking import KEY
from tests.support.stripe_histories import START

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cogento.queue.claims import Claim
    from tests.support.post import Post

ROWS = "SELECT count(*) AS rows FROM users WHERE name = 'Ada Example'"
STATUS = "SELECT status FROM subscriptions WHERE stripe_subscription_id = 'sub_1'"
LATER_MS = 600_000


def letters_of_one_cause(post: Post, numbers: Iterable[int], **fields: str) -> None:
    """Make dead letters of events that a constraint refused, one customer each; the constraint is gone by now."""
    refused = {
        "reason": "impossible_value",
        "message": "PostgreSQL rejected a value of this event.",
        "failure_class": FailureClass.PERMANENT,
        "failure_code": "23514",
        "constraint_name": "users_refused",
    }
    letters = []
    for number in numbers:
        customer = builders.customer(f"cus_{number}")
        body = builders.event_body("customer.updated", customer, id_=f"evt_{number}")
        whose = {"customer_id": f"cus_{number}", "object_id": f"cus_{number}"}
        letters.append(letter(str(number), raw_body=body, **(refused | whose | fields)))
    runtime.run(post.store.insert_dead_letters(letters))


def subscription_that_shows_canceled(post: Post) -> SimulatedStripe:
    """Have a customer who pays in Stripe, and a row into which somebody's script has written `canceled`."""
    stripe = SimulatedStripe(Account(Random(1)))
    account = stripe.account
    began = account.begin(stripe.customer(name="Ada"), at=START), account.begin(subscription(), at=START + 1)
    deliver(post, *began)
    post.drain()
    post.rows("UPDATE subscriptions SET status = 'canceled' RETURNING 1")
    return stripe


def asking(stripe: SimulatedStripe) -> dict[str, str]:
    """The settings of a process that asks this Stripe."""
    pace = {"STRIPE_REQUESTS_PER_SECOND": "1000"}
    return {"STRIPE_API_KEY": KEY, "STRIPE_API_BASE": stripe.url, **pace}


def backlog(post: Post, customers: int) -> None:
    """Have events of `customers` customers wait, as no worker runs; of one more customer the only event failed and is tried in ten minutes."""
    put(post, "cus_late", "evt_late")
    claimed = claim(post.mailboxes, lease_seconds=60)
    now_ms = post.mailboxes.now_ms()
    failed = FailedAttempt(EventId("evt_late"), 7, now_ms, FailureClass.TRANSIENT, "57014")
    late = Settlement(CustomerId("cus_late"), failed=(failed,), postponed_until_ms=now_ms + LATER_MS)
    post.mailboxes.settle(claimed, [late])
    bodies = [
        builders.event_body("customer.created", builders.customer(f"cus_{n}"), id_=f"evt_{n}")
        for n in range(customers)
    ]
    post.mailboxes.put([parse_envelope(body, now=NOW) for body in bodies])


def poison(redis_url: str, *, crashes: int) -> None:
    """Have `crashes` workers in a row die while they process what is ready; one more releases it."""
    with closing(LoopedMailboxes.connect(redis_url, ack=AckDurability.REDIS, name="host:9")) as worker:
        for _ in range(crashes):
            claim(worker, lease_seconds=0.001)
        worker.release(claim(worker, lease_seconds=60))


def claim(worker: LoopedMailboxes, *, lease_seconds: float) -> Claim:
    """Claim one customer, as soon as the lease before has ended."""
    claims: list[Claim] = []

    def has_claimed() -> bool:
        found = worker.claim(max_customers=1, max_events=9, lease_seconds=lease_seconds)
        claims.extend(filter(None, [found]))
        return found is not None

    wait_until(has_claimed, what="a customer to be ready")
    return claims[0]


def put(post: Post, customer: str, event: str) -> None:
    """Put the creation of a customer."""
    post.put("customer.created", builders.customer(customer), id_=event)
