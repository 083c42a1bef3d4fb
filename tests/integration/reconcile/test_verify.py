"""Verify finds differences from Stripe in every column, repairs them, and does not report changes that are still on their way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from cogento.events.names import CustomerId
from cogento.local.stripe.account import Account
from cogento.reconcile import verify
from tests.support import builders
from tests.support.policies import change
from tests.support.simulated_stripe import SimulatedStripe, deliver, differences, open_reconciliation
from tests.support.stripe_histories import START, STEPS_A_SECOND, lived

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.reconcile.verify import Verified
    from tests.support.looped import LoopedReconciliation
    from tests.support.post import Post

STEPS = 300

USERS = {
    "email": "'somebody@example.org'",
    "stripe_email": "'planted@example.org'",
    "name": "'Planted'",
    "phone": "'+1 555 0100'",
    "address": """'{"city": "Nowhere"}'""",
    "metadata": """'{"planted": "yes"}'""",
    "stripe_created_at": "now()",
    "stripe_updated_at": "now()",
    "last_webhook_event_id": "'evt_planted'",
    "deleted_at": "now()",
}
SUBSCRIPTIONS = {
    "user_id": "(SELECT user_id FROM users ORDER BY stripe_customer_id LIMIT 1)",
    "product_id": "'prod_planted'",
    "status": "'planted'",
    "current_period_start": "'2001-01-01'",
    "current_period_end": "'2001-01-02'",
    "metadata": """'{"planted": "yes"}'""",
    "stripe_created_at": "now()",
    "stripe_updated_at": "now()",
    "last_webhook_event_id": "'evt_planted'",
    "items": "'[]'",
    "cancel_at_period_end": "NOT cancel_at_period_end",
    "cancel_at": "'2001-01-01'",
    "canceled_at": "'2001-01-01'",
    "ended_at": "'2001-01-01'",
    "trial_end": "'2001-01-01'",
    "start_date": "'2001-01-01'",
    "collection_method": "'planted'",
    "pause_collection": """'{"behavior": "planted"}'""",
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once: nothing is on its way."""
    change(monkeypatch, verify, "VERIFY", settle_seconds=0.0)


@pytest.fixture
def stripe() -> Iterator[SimulatedStripe]:
    """An account with a life behind it."""
    account = lived(steps=STEPS, population=60)
    account.forget_events()
    simulated = SimulatedStripe(account)
    simulated.now = START + STEPS // STEPS_A_SECOND + 10
    yield simulated
    simulated.close()


@pytest.fixture
def filled(stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post) -> LoopedReconciliation:
    """Tables that show all of it."""
    asking.backfill()
    stripe.now += 100
    assert differences(stripe, post) == ()
    return asking


def plant(post: Post) -> set[tuple[str, str]]:
    """Change each column of both tables by hand, each in another row; returns the columns."""
    alive = post.rows("SELECT user_id FROM users WHERE deleted_at IS NULL ORDER BY stripe_customer_id DESC")
    owned = post.rows("SELECT subscription_id FROM subscriptions ORDER BY stripe_subscription_id DESC")
    for (column, value), row in zip(USERS.items(), alive, strict=False):
        post.rows(f"UPDATE users SET {column} = {value} WHERE user_id = $1", row["user_id"])
    for (column, value), row in zip(SUBSCRIPTIONS.items(), owned, strict=False):
        id_ = row["subscription_id"]
        post.rows(f"UPDATE subscriptions SET {column} = {value} WHERE subscription_id = $1", id_)
    return {("users", column) for column in USERS} | {("subscriptions", column) for column in SUBSCRIPTIONS}


def columns(drift: Any) -> set[tuple[str, str]]:
    return {(one.table, one.column) for one in drift}


def test_tables_that_show_what_stripe_says_are_equal(
    stripe: SimulatedStripe, filled: LoopedReconciliation
) -> None:
    found = filled.verify()

    assert (found.drift, found.undecided) == ((), ())
    listed = len(stripe.account.live_customers) + len(stripe.account.subscriptions)
    assert found.compared == listed


def test_drift_in_every_column_is_found(filled: LoopedReconciliation, post: Post) -> None:
    planted = plant(post)

    found = filled.verify()

    assert columns(found.drift) == planted
    assert columns(filled.verify().drift) == planted  # looking changes nothing


def test_drift_in_every_column_is_repaired_and_stands_in_the_ledger(
    stripe: SimulatedStripe, filled: LoopedReconciliation, post: Post
) -> None:
    planted = plant(post)

    found = filled.verify(repair=True)

    assert (columns(found.repaired), found.drift) == (planted, ())
    assert differences(stripe, post) == ()
    written = post.rows("SELECT object_id FROM webhook_events WHERE source = 'verify'")
    assert {row["object_id"] for row in written} == {one.object_id for one in found.repaired}
    assert filled.verify().drift == ()


def test_a_row_that_is_missing_is_found_and_made(
    stripe: SimulatedStripe, filled: LoopedReconciliation, post: Post
) -> None:
    post.rows("DELETE FROM subscriptions WHERE status = 'canceled'")

    found = filled.verify(repair=True)

    assert columns(found.repaired) == {("subscriptions", "row")}
    assert differences(stripe, post) == ()


def test_a_customer_that_was_deleted_without_our_knowing_is_found(
    stripe: SimulatedStripe, filled: LoopedReconciliation, post: Post
) -> None:
    gone = next(one for one in stripe.account.customers.values() if not one.deleted)
    stripe.account.end(replace(gone, deleted=True), at=stripe.now - 50)

    found = filled.verify(repair=True)

    assert ("users", "deleted_at") in columns(found.repaired)
    assert differences(stripe, post) == ()


def test_a_sample_is_compared_by_asking_for_each_of_its_rows(
    stripe: SimulatedStripe, filled: LoopedReconciliation, post: Post
) -> None:
    post.rows("UPDATE users SET phone = 'planted' WHERE deleted_at IS NULL")
    rows = len(post.rows("SELECT FROM users UNION ALL SELECT FROM subscriptions"))
    before = stripe.requests

    few, all_ = filled.verify(sample=5), filled.verify(sample=10 * rows)

    assert few.compared == 5
    assert len(all_.drift) == len(stripe.account.live_customers)
    assert stripe.requests - before <= 2 * (5 + rows)


@pytest.fixture
def empty(post: Post, redis_url: str) -> Iterator[tuple[SimulatedStripe, LoopedReconciliation]]:
    """An account of one customer, that the tables show."""
    stripe = SimulatedStripe(Account(Random(1)))
    asking = open_reconciliation(stripe, post, redis_url)
    deliver(post, stripe.account.begin(stripe.customer(name="Ada"), at=START))
    post.drain()
    yield stripe, asking
    asking.close()
    stripe.close()


def changed(stripe: SimulatedStripe) -> Any:
    return stripe.account.change(renamed(stripe, "Bob"), at=START + 50)


def renamed(stripe: SimulatedStripe, name: str) -> Any:
    return replace(stripe.account.customers["cus_1"], name=name)


def test_a_row_whose_events_wait_has_not_drifted(
    empty: tuple[SimulatedStripe, LoopedReconciliation], post: Post
) -> None:
    stripe, asking = empty
    post.mailboxes.pause(CustomerId("cus_1"))
    deliver(post, changed(stripe))

    found = asking.verify(repair=True)

    assert (found.drift, found.repaired, found.undecided) == ((), (), ("cus_1",))


@dataclass
class LateWebhooks:
    """Each webhook arrives, and is applied, just before Stripe is asked; then the next change happens, of which nobody knows."""

    stripe: SimulatedStripe
    post: Post
    asking: LoopedReconciliation
    names: Iterator[str]

    def __post_init__(self) -> None:
        self.ask = self.asking.looped._stripe.api.fetch

    async def fetch(self, *what: Any) -> Any:
        await asyncio.to_thread(deliver, self.post, self.stripe.account.events[-1])
        await asyncio.to_thread(self.post.drain)
        for name in islice(self.names, 1):
            self.stripe.account.change(renamed(self.stripe, name), at=START + 60)
        return await self.ask(*what)


def test_a_change_whose_webhook_arrives_before_the_second_look_is_no_drift(
    empty: tuple[SimulatedStripe, LoopedReconciliation], post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    stripe, asking = empty
    changed(stripe)
    late = LateWebhooks(stripe, post, asking, iter([]))
    monkeypatch.setattr(asking.looped._stripe.api, "fetch", late.fetch)

    found = asking.verify()

    assert (found.drift, found.undecided) == ((), ())


def test_what_changes_between_two_looks_is_looked_at_once_more(
    empty: tuple[SimulatedStripe, LoopedReconciliation], post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    stripe, asking = empty
    changed(stripe)
    late = LateWebhooks(stripe, post, asking, iter(["Cem", "Dora"]))
    monkeypatch.setattr(asking.looped._stripe.api, "fetch", late.fetch)

    found = asking.verify()

    assert (found.drift, found.undecided) == ((), ())
    assert post.rows("SELECT name FROM users") == [{"name": "Dora"}]


def test_what_stripe_does_not_know_is_left_undecided(
    empty: tuple[SimulatedStripe, LoopedReconciliation], post: Post
) -> None:
    _, asking = empty
    post.put("customer.created", builders.customer("cus_unknown"))
    post.drain()

    found: Verified = asking.verify(repair=True)

    assert (found.drift, found.undecided) == ((), ("cus_unknown",))
    assert len(post.rows("SELECT FROM users WHERE deleted_at IS NULL")) == 2


def test_evidence_of_another_release_is_left_undecided(
    empty: tuple[SimulatedStripe, LoopedReconciliation], post: Post
) -> None:
    _, asking = empty
    post.rows("UPDATE users SET evidence = 'unreadable'")

    assert asking.verify(repair=True).undecided == ("cus_1",)


def test_what_stripe_no_longer_tells_of_a_deleted_customer_is_no_drift(
    empty: tuple[SimulatedStripe, LoopedReconciliation], post: Post
) -> None:
    stripe, asking = empty
    gone = replace(stripe.account.customers["cus_1"], deleted=True)
    deliver(post, stripe.account.end(gone, at=START + 50))
    post.drain()

    found = asking.verify(sample=10)

    assert post.rows("SELECT FROM users WHERE deleted_at IS NOT NULL AND stripe_created_at IS NOT NULL")
    assert (found.compared, found.drift, found.undecided) == (1, (), ())
