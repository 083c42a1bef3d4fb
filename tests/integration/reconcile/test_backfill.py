"""A backfill fills both tables from Stripe's lists, goes on where it was stopped, and overwrites nothing newer."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.events.kinds import CUSTOMER, SUBSCRIPTION
from cogento.local.stripe.account import Account
from cogento.local.stripe.errors import Fault, FaultKind
from cogento.reconcile import backfill
from cogento.reconcile.backfill import Backfilled
from cogento.reconcile.reconciliation import BACKFILL_TURN
from cogento.reconcile.sweep import DAY_SECONDS
from cogento.stripe.errors import StripeApiError
from tests.support import builders
from tests.support.simulated_stripe import SimulatedStripe, deliver, differences, open_reconciliation
from tests.support.stripe_histories import START, lived

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.looped import LoopedReconciliation
    from tests.support.post import Post


ADDED = SUBSCRIPTION.columns.__struct_fields__[-len(SUBSCRIPTION.columns.__struct_defaults__) :]
"""The columns of 0014: they have defaults."""


@pytest.fixture
def stripe() -> Iterator[SimulatedStripe]:
    """An account with a life behind it, of which no event is left."""
    account = lived(steps=900, population=250)
    account.forget_events()
    simulated = SimulatedStripe(account)
    yield simulated
    simulated.close()


@pytest.fixture
def empty() -> Iterator[SimulatedStripe]:
    simulated = SimulatedStripe(Account(Random(1)))
    yield simulated
    simulated.close()


@pytest.fixture
def asking_empty(empty: SimulatedStripe, post: Post, redis_url: str) -> Iterator[LoopedReconciliation]:
    process = open_reconciliation(empty, post, redis_url)
    yield process
    process.close()


def fill(
    asking: LoopedReconciliation, *, restart: bool = False, report: Callable[..., object] = lambda _: None
) -> Backfilled:
    done = asking.backfill(restart=restart, report=report)
    assert done is not None
    return done


def test_a_backfill_of_an_empty_database_ends_in_stripes_truth(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    done = fill(asking)

    assert differences(stripe, post) == ()
    assert done.share == 1.0
    assert sum(done.counts.values()) == len(
        post.rows("SELECT FROM users UNION ALL SELECT FROM subscriptions")
    )


def test_what_a_backfill_wrote_stands_in_the_ledger_with_its_source(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    fill(asking)

    told = post.rows("SELECT DISTINCT source, outcome, reason FROM webhook_events")
    assert told == [{"source": "backfill", "outcome": "applied", "reason": "first"}]


def test_canceled_subscriptions_and_deleted_customers_that_had_some_are_filled_too(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    fill(asking)

    assert post.rows("SELECT FROM subscriptions WHERE status = 'canceled'")
    assert post.rows("SELECT FROM users WHERE deleted_at IS NOT NULL")


@pytest.mark.parametrize(("days", "begins_again"), [(29, False), (31, True)])
def test_a_backfill_that_was_begun_longer_ago_than_stripe_lists_events_begins_again(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, *, days: int, begins_again: bool
) -> None:
    fill(asking)
    post.rows("TRUNCATE users, subscriptions, user_roles, webhook_events CASCADE")
    begun = stripe.now - days * DAY_SECONDS
    post.rows(f"UPDATE backfill_progress SET begun_at = to_timestamp({begun}), finished_at = NULL")

    fill(asking)

    assert bool(post.rows("SELECT FROM users")) == begins_again


def test_a_backfill_that_fails_goes_on_where_it_was(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "LANES", 1)
    fill(asking)
    whole = stripe.requests
    post.rows("TRUNCATE users, subscriptions, user_roles, webhook_events CASCADE")
    refusal = Fault(kind=FaultKind.FORBIDDEN, path="/v1/subscriptions")
    with pytest.raises(StripeApiError):
        fill(asking, restart=True, report=lambda _: stripe.trouble(refusal))
    stripe.trouble()
    lift_the_refusal(asking)

    fill(asking)

    assert differences(stripe, post) == ()
    assert stripe.requests <= 2 * whole + 2  # only the page that was refused is asked for again, and the time


def lift_the_refusal(asking: LoopedReconciliation) -> None:
    """Let requests through at once, as a minute would."""
    runtime.run(asking.looped._stripe._rate_limiter._server.ask("FLUSHALL"))


def test_rows_of_the_release_before_are_filled_with_what_reports_ask_for(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    fill(asking)
    post.rows(f"UPDATE subscriptions SET {', '.join(f'{name} = NULL' for name in ADDED)}")
    stripe.now += 100

    fill(asking, restart=True)

    assert differences(stripe, post) == ()
    assert post.rows("SELECT FROM subscriptions WHERE items IS NOT NULL")
    assert post.rows("SELECT FROM subscriptions WHERE items IS NULL") == []


def test_a_backfill_that_ended_begins_anew(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    fill(asking)
    stripe.now += 100

    again = fill(asking)

    assert again.objects(CUSTOMER) == len(stripe.account.live_customers)
    assert {outcome for _, outcome in again.counts} == {"unchanged"}


def test_nothing_newer_is_overwritten(
    empty: SimulatedStripe, asking_empty: LoopedReconciliation, post: Post
) -> None:
    """The answer is of the second before the change, whose webhook came first."""
    ada = empty.customer(name="Ada")
    created = empty.account.begin(ada, at=START)
    changed = empty.account.change(replace(ada, name="Bob"), at=START + 50)
    deliver(post, created, changed)
    post.drain()
    empty.account.customers["cus_1"] = ada
    empty.now = START + 40

    done = fill(asking_empty)

    assert post.rows("SELECT name, unsure FROM users") == [{"name": "Bob", "unsure": False}]
    assert done.counts == {("customer", "stale"): 1}


def test_events_that_waited_for_a_customer_are_applied_once_it_is_filled(
    empty: SimulatedStripe, asking_empty: LoopedReconciliation, post: Post
) -> None:
    empty.account.begin(empty.customer(), at=START)
    post.put("customer.subscription.updated", builders.subscription("sub_1", customer="cus_1"))
    post.drain()
    parked = post.mailboxes.status().parked

    fill(asking_empty)
    post.drain()

    assert parked == 1
    assert len(post.rows("SELECT FROM subscriptions")) == 1


def test_what_cannot_be_written_is_left_to_the_mailboxes_and_a_dead_letter_there(
    empty: SimulatedStripe, asking_empty: LoopedReconciliation, post: Post
) -> None:
    empty.account.begin(empty.customer("cus_1"), at=START)
    empty.account.begin(empty.customer("cus_2", created=2**60), at=START)
    empty.account.customer_order.add("cus_2", created=START)

    done = fill(asking_empty)
    post.drain()

    assert done.counts == {("customer", "applied"): 1, ("customer", "mailed"): 1}
    assert post.rows("SELECT customer_id, source FROM dead_letters") == [
        {"customer_id": "cus_2", "source": "fetch"}
    ]


def test_a_batch_that_postgres_refuses_is_left_to_the_mailboxes(
    empty: SimulatedStripe, asking_empty: LoopedReconciliation, post: Post
) -> None:
    empty.account.begin(empty.customer("cus_1"), at=START)
    empty.account.begin(empty.customer("cus_2", name="unwanted"), at=START)
    post.rows("ALTER TABLE users ADD CONSTRAINT unwanted CHECK (name <> 'unwanted')")

    done = fill(asking_empty)
    post.drain()

    assert done.counts == {("customer", "mailed"): 2}
    assert post.rows("SELECT stripe_customer_id FROM users") == [{"stripe_customer_id": "cus_1"}]


def test_a_list_whose_last_object_was_deleted_meanwhile_goes_on(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "LANES", 1)
    api = asking.looped._stripe.api
    ask, refused = api.objects, list[object]()

    async def objects(*args: object, **given: object) -> object:
        if given.get("after_id") and not refused:
            refused.append(given["after_id"])
            given["after_id"] = "cus_gone"
        return await ask(*args, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(api, "objects", objects)

    fill(asking)

    assert refused
    assert differences(stripe, post) == ()


def test_a_slice_that_others_wait_for_is_halved_and_nothing_is_lost(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "SHORTEST_SECONDS", 1)
    monkeypatch.setattr(backfill, "SLICES", 1)

    fill(asking)

    assert len(post.rows("SELECT FROM backfill_slices")) > 2
    assert differences(stripe, post) == ()


def test_one_backfill_runs_at_a_time(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, redis_url: str
) -> None:
    another = open_reconciliation(stripe, post, redis_url)
    turn = runtime.run(asking.looped._store.try_leader_lease(BACKFILL_TURN))
    assert turn is not None
    meanwhile = another.backfill()
    runtime.run(turn.end())

    afterwards = another.backfill()
    another.close()

    assert meanwhile is None
    assert afterwards is not None


def test_slices_cover_all_time_since_the_account_began_and_are_begun_far_apart(
    stripe: SimulatedStripe, asking: LoopedReconciliation
) -> None:
    parts = runtime.run(backfill.time_ranges(asking.looped._stripe.api, CUSTOMER, until=stripe.now))
    in_order = sorted(parts, key=lambda one: one.since)

    assert START - backfill.CLOSE_SECONDS < in_order[0].since <= START
    assert in_order[-1].before == stripe.now
    assert [one.before for one in in_order[:-1]] == [one.since for one in in_order[1:]]
    assert parts[1].since - parts[0].since > (stripe.now - in_order[0].since) / 3
