"""`cogento backfill` beside a simulated Stripe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.events.kinds import CUSTOMER
from cogento.settings import EX_CONFIG
from cogento.store.progress import TimeRange
from tests.support.simulated_stripe import SimulatedStripe
from tests.support.stripe_asking import KEY
from tests.support.stripe_histories import START, lived

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.store.store import Store
    from tests.integration.console.conftest import Run


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedStripe]:
    """An account with a life behind it, that this process's settings name."""
    simulated = SimulatedStripe(lived(steps=60, population=10))
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    monkeypatch.setenv("STRIPE_API_BASE", simulated.url)
    monkeypatch.setenv("STRIPE_REQUESTS_PER_SECOND", "1000")
    yield simulated
    simulated.close()


def test_backfill_tells_what_became_of_the_objects(run: Run, stripe: SimulatedStripe) -> None:
    done = run("backfill")
    customers, subscriptions = len(stripe.account.customers), len(stripe.account.subscriptions)

    assert done.exit_code == 0
    assert [line.split()[:3] for line in done.stdout.splitlines()[1:3]] == [
        ["customers", str(customers), str(customers)],
        ["subscriptions", str(subscriptions), str(subscriptions)],
    ]


def test_backfill_tells_programs_what_became_of_the_objects(run: Run, stripe: SimulatedStripe) -> None:
    done = json.loads(run("backfill", "--json").stdout)

    assert done["subscriptions"] == {"applied": len(stripe.account.subscriptions)}


def test_a_second_backfill_ends_as_done(run: Run, stripe: SimulatedStripe, store: Store) -> None:
    turn = runtime.run(store.try_leader_lease("backfill"))
    assert turn is not None

    second = run("backfill")
    runtime.run(turn.end())

    assert (second.exit_code, second.output) == (0, "Another backfill is under way.\n")
    assert stripe.requests == 0


def test_backfill_goes_on_with_what_is_left_unless_it_shall_begin_again(
    run: Run, stripe: SimulatedStripe, store: Store
) -> None:
    runtime.run(store.backfills.begin([TimeRange(CUSTOMER, START - 2000, START - 1000)]))

    left = json.loads(run("backfill", "--json").stdout)
    runtime.run(store.backfills.begin([TimeRange(CUSTOMER, START - 2000, START - 1000)]))
    again = json.loads(run("backfill", "--restart", "--json").stdout)

    assert left["customers"] == {}
    assert again["customers"] == {"applied": len(stripe.account.customers)}


def test_backfill_without_a_key_says_what_to_set(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_API_KEY", raising=False)

    refused = run("backfill")

    assert refused.exit_code == EX_CONFIG
    assert "set STRIPE_API_KEY" in refused.output


def test_t7_a_backfill_goes_by_the_statuses_that_workers_were_given_whatever_its_own_environment_says(
    run: Run,
    stripe: SimulatedStripe,
    store: Store,
    worker_store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime.run(worker_store.set_member_statuses({"active", "trialing"}))
    monkeypatch.setenv("MEMBER_STATUSES", "past_due")

    run("backfill")

    live = {
        one.customer for one in stripe.account.subscriptions.values() if one.status in ("active", "trialing")
    }
    paying = {id_ for id_ in live if not stripe.account.customers[id_].deleted}
    members = [runtime.run(store.history.customer(id_)) for id_ in paying]  # type: ignore[arg-type]
    assert paying
    assert {one.roles for one in members if one} == {("member",)}
