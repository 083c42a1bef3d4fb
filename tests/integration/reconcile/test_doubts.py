"""What webhooks leave open is decided by asking Stripe, through the same mailboxes and the same decision."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cogento import runtime
from cogento.events.envelope import parse_envelope
from cogento.events.kinds import CUSTOMER
from cogento.events.names import CustomerId, ObjectId
from cogento.events.outcomes import Source
from cogento.local.stripe.errors import Fault, FaultKind
from cogento.local.stripe.events import webhook_body
from cogento.reconcile import refetch
from cogento.reconcile.enqueue import fetched_envelope
from cogento.store.refetches import RefetchTarget
from cogento.stripe import requests
from cogento.stripe.requests import StripeAnswer
from tests.support import builders
from tests.support.policies import change
from tests.support.simulated_stripe import (
    SimulatedStripe,
    compared,
    deliver,
    open_reconciliation,
    open_stripe,
)
from tests.support.stripe_histories import START, lived

if TYPE_CHECKING:
    from cogento.local.stripe.objects import Customer
    from tests.support.looped import LoopedReconciliation
    from tests.support.post import Post

pytestmark = pytest.mark.usefixtures("impatient")

SETTLED = {"name": "Ada", "unsure": False}
OUTLIVING = """
SELECT s.stripe_subscription_id, s.unsure
FROM subscriptions AS s
INNER JOIN users AS u USING (user_id)
WHERE u.deleted_at IS NOT NULL AND s.status <> 'canceled'
"""


def row(post: Post) -> dict[str, Any]:
    (found,) = post.rows("SELECT name, unsure FROM users")
    return found


def there_and_back(stripe: SimulatedStripe, customer: str = "cus_1", *, at: int = START + 30) -> list[Any]:
    """A customer of which only a change and the change back are ever delivered, by default a minute ago: Ada, Bob, Ada."""
    ada = stripe.customer(customer, name="Ada")
    stripe.account.begin(ada, at=START)
    bob = stripe.account.change(replace(ada, name="Bob"), at=at)
    return [bob, stripe.account.change(ada, at=at)]


def is_end(event: Any) -> bool:
    """Whether an event says that a subscription has ended."""
    return bool(event.type == "customer.subscription.deleted")


def subscribed(stripe: SimulatedStripe) -> dict[str, Any]:
    """A subscription of a customer without any event."""
    stripe.account.begin(stripe.customer(), at=START)
    return builders.subscription("sub_1", customer="cus_1")


def ask(asking: LoopedReconciliation, post: Post) -> None:
    asking.ask()
    post.drain()


def test_what_events_cannot_decide_ends_in_stripes_truth(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    deliver(post, *there_and_back(stripe))
    post.drain()
    before = row(post)

    ask(asking, post)

    assert before["unsure"]
    assert row(post) == SETTLED
    assert compared(stripe, post).is_equal


def test_a_state_that_was_left_within_the_last_minute_is_asked_for_again_until_it_is_believed(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    deliver(post, *there_and_back(stripe, at=stripe.now - 4))
    post.drain()
    ask(asking, post)
    at_once = row(post)
    stripe.now += 30
    ask(asking, post)
    within_the_minute = row(post)
    stripe.now += 30

    ask(asking, post)

    assert at_once == within_the_minute == {"name": "Ada", "unsure": True}
    assert row(post) == SETTLED


def test_an_answer_stands_in_the_ledger_with_its_source(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    deliver(post, *there_and_back(stripe))
    post.drain()

    ask(asking, post)

    (entry,) = post.rows("SELECT event_type, outcome FROM webhook_events WHERE source = 'fetch'")
    assert entry == {"event_type": "customer.fetched", "outcome": "unchanged"}


def test_what_is_settled_is_not_asked_for_again(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    deliver(post, *there_and_back(stripe))
    post.drain()
    ask(asking, post)

    ask(asking, post)

    assert stripe.requests == 1


def test_a_subscription_that_its_events_do_not_carry_whole_is_fetched_whole(
    post: Post, redis_url: str
) -> None:
    stripe = SimulatedStripe(lived(steps=60, population=10))
    asking = open_reconciliation(stripe, post, redis_url)
    deliver(post, *stripe.account.events[:-1])
    post.drain()
    last = next(e for e in reversed(stripe.account.events) if e.type == "customer.subscription.updated")
    cut = json.loads(webhook_body(last)) | {"id": "evt_cut", "created": last.created + 20}
    cut["data"]["object"]["items"]["has_more"] = True
    post.mailboxes.put([parse_envelope(builders.body(cut), now=stripe.now)])
    post.drain()
    cut_rows = post.rows("SELECT stripe_subscription_id FROM subscriptions WHERE unsure")

    ask(asking, post)
    asking.close()
    stripe.close()

    assert cut_rows == [{"stripe_subscription_id": last.object_id}]
    assert post.rows("SELECT FROM subscriptions WHERE unsure") == []


def test_t3_what_a_deletion_ended_is_asked_for_when_its_own_end_never_came(
    post: Post, redis_url: str
) -> None:
    stripe = SimulatedStripe(lived(steps=300, population=10))
    ended = {e.object_id for e in stripe.account.events if e.type == "customer.subscription.deleted"}
    gone = {e.object_id for e in stripe.account.events if e.type == "customer.deleted"}
    told = [e for e in stripe.account.events if not (e.object_id in ended and is_end(e))]
    asking = open_reconciliation(stripe, post, redis_url)
    deliver(post, *told)
    post.drain()
    before = post.rows(OUTLIVING)

    ask(asking, post)
    asking.close()
    stripe.close()

    assert gone
    assert {row["unsure"] for row in before} == {True}
    assert post.rows(OUTLIVING) == []


def test_the_customer_of_a_parked_subscription_is_fetched(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    post.put("customer.subscription.updated", subscribed(stripe))
    post.drain()
    parked = post.mailboxes.status().parked

    ask(asking, post)

    assert parked == 1
    assert post.rows(
        "SELECT s.status, stripe_customer_id FROM subscriptions AS s JOIN users USING (user_id)"
    ) == [{"status": "active", "stripe_customer_id": "cus_1"}]


def test_an_unknown_customer_that_is_deleted_meanwhile_gets_a_row_that_says_so(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    post.put("customer.subscription.updated", subscribed(stripe))
    post.drain()
    customer: Customer = stripe.account.customers["cus_1"]
    stripe.account.end(replace(customer, deleted=True), at=START + 10)

    ask(asking, post)

    assert post.rows("SELECT deleted_at IS NOT NULL AS gone FROM users") == [{"gone": True}]
    assert len(post.rows("SELECT FROM subscriptions")) == 1


def test_f54_a_customer_that_stripe_does_not_know_is_not_taken_for_deleted(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    post.put("customer.subscription.updated", builders.subscription(customer="cus_unknown"))
    post.drain()

    ask(asking, post)
    ask(asking, post)

    assert post.rows("SELECT FROM users") == []
    assert post.mailboxes.status().parked == 1
    assert stripe.requests == 1  # nor is it asked for again at once


def test_f52_while_stripe_is_in_trouble_the_row_is_marked_and_asked_for_later(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.stripe.requests.next_delay", lambda *_, **__: 0)
    deliver(post, *there_and_back(stripe))
    post.drain()
    stripe.trouble(Fault(kind=FaultKind.SERVER_ERROR))
    ask(asking, post)
    during = row(post)
    stripe.trouble()

    ask(asking, post)

    assert during["unsure"]
    assert row(post) == SETTLED


def test_f53_while_the_key_is_refused_events_go_on_and_nobody_asks(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    deliver(post, *there_and_back(stripe))
    stripe.trouble(Fault(kind=FaultKind.FORBIDDEN))
    post.drain()
    ask(asking, post)
    ask(asking, post)

    post.put("customer.created", builders.customer("cus_2"))
    post.drain()

    assert stripe.requests == 1
    assert {entry["attempts"] for entry in post.rows("SELECT attempts FROM webhook_events")} == {0}
    assert post.rows("SELECT stripe_customer_id FROM users WHERE unsure") == [{"stripe_customer_id": "cus_1"}]


def fetch(stripe: SimulatedStripe, post: Post, redis_url: str) -> None:
    """Ask for the customer, whether it is in doubt or not."""
    way = open_stripe(stripe, redis_url)
    (answer,) = runtime.run(way.fetch([RefetchTarget(CUSTOMER, ObjectId("cus_1"), CustomerId("cus_1"))]))
    runtime.run(way.close())
    assert isinstance(answer, StripeAnswer)
    post.mailboxes.put([fetched_envelope(answer)], source=Source.FETCH)
    post.drain()


def test_f55_a_copy_that_lags_changes_no_row_and_is_asked_again(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, redis_url: str
) -> None:
    bob = stripe.customer(name="Bob")
    created = stripe.account.begin(bob, at=START + 40)
    deliver(post, created, stripe.account.change(replace(bob, name="Ada"), at=START + 90))
    post.drain()
    stripe.trouble(Fault(kind=FaultKind.STALE, times=1))
    fetch(stripe, post, redis_url)
    lagging = row(post)
    stripe.now += 10

    ask(asking, post)

    assert lagging == {"name": "Ada", "unsure": True}
    assert row(post) == SETTLED


def test_one_process_asks_at_a_time_and_another_takes_over(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, redis_url: str
) -> None:
    another = open_reconciliation(stripe, post, redis_url)
    asking.ask()
    deliver(post, *there_and_back(stripe))
    post.drain()
    ask(another, post)
    meanwhile = row(post)
    runtime.run(asking.looped._refetcher.stop())

    ask(another, post)
    another.close()

    assert meanwhile["unsure"]
    assert row(post) == SETTLED


def test_while_events_of_the_customer_wait_nobody_is_asked(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    deliver(post, *there_and_back(stripe))
    post.drain()
    post.mailboxes.pause(CustomerId("cus_1"))
    asking.ask()
    asking.ask()
    while_paused = stripe.requests
    post.mailboxes.resume(CustomerId("cus_1"))
    post.drain()

    assert while_paused == 1
    assert row(post) == SETTLED


def test_customers_whose_events_wait_keep_no_other_in_doubt(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refetch, "MAX_AMBIGUOUS", 1)
    deliver(post, *there_and_back(stripe, "cus_1"))
    post.drain()
    deliver(post, *there_and_back(stripe, "cus_2"))
    post.drain()
    post.mailboxes.pause(CustomerId("cus_1"))
    post.put("customer.updated", builders.customer("cus_1"))

    ask(asking, post)

    unsure = post.rows("SELECT stripe_customer_id FROM users WHERE unsure")
    assert unsure == [{"stripe_customer_id": "cus_1"}]


def test_what_stays_in_doubt_is_asked_for_more_and_more_rarely(
    stripe: SimulatedStripe, post: Post, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    change(monkeypatch, refetch, "REFETCH", pause_seconds=10.0)
    asking = open_reconciliation(stripe, post, redis_url, clock=lambda: seconds[0])
    post.put("customer.subscription.updated", builders.subscription(customer="cus_unknown"))
    post.drain()
    stripe.trouble(Fault(kind=FaultKind.UNAVAILABLE))
    change(monkeypatch, requests, "REQUEST", attempts_limit=1)

    asked_at = [at for at in range(0, 100, 5) if asks(asking, stripe, seconds, at)]
    asking.close()

    assert asked_at == [0, 10, 30, 70]


def asks(asking: LoopedReconciliation, stripe: SimulatedStripe, seconds: list[float], at: int) -> bool:
    """Look at a second, and tell whether Stripe was asked."""
    seconds[0], before = at, stripe.requests
    asking.ask()
    return stripe.requests > before
