"""A backfill is killed in the middle while the account keeps changing, and continues: in the end the tables equal Stripe."""

from __future__ import annotations

import sys
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.local.process import Command, Process
from cogento.local.services import ROOT
from cogento.local.stripe.activity import AccountActivity
from tests.support.servers import wait_until
from tests.support.simulated_stripe import SimulatedStripe, deliver, differences
from tests.support.stripe_asking import KEY
from tests.support.stripe_histories import START, STEPS_A_SECOND, lived

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.post import Post
    from tests.support.running_worker import RunningWorker

STEPS = 2000
REQUESTS_A_SECOND = 40


@pytest.fixture
def stripe() -> Iterator[SimulatedStripe]:
    """An account with a past, of which no event is left."""
    account = lived(steps=STEPS, population=600)
    account.forget_events()
    simulated = SimulatedStripe(account)
    simulated.now = START + STEPS // STEPS_A_SECOND + 10
    yield simulated
    simulated.close()


class Filling:
    """`cogento backfill` as people start it, in a process of its own."""

    def __init__(self, post: Post, redis_url: str, stripe: SimulatedStripe, log: Path) -> None:
        environment = {
            "DATABASE_URL": post.database_url,
            "REDIS_URL": redis_url,
            "STRIPE_API_KEY": KEY,
            "STRIPE_API_BASE": stripe.url,
            "STRIPE_REQUESTS_PER_SECOND": str(REQUESTS_A_SECOND),
        }
        argv = (sys.executable, "-m", "cogento", "backfill")
        self.log = log
        self.process = Process(Command(argv=argv, log=log, environment=environment, folder=ROOT))

    def await_end(self) -> int | None:
        wait_until(lambda: self.process.exit_code() is not None, what=f"its end; see {self.log}", seconds=60)
        return self.process.exit_code()


def live(stripe: SimulatedStripe, activity: AccountActivity, post: Post, *, steps: int) -> None:
    """Let things happen and their webhooks arrive, out of order."""

    async def happen() -> list[object]:
        stripe.now += 1
        return [event for _ in range(steps) for event in activity.step(stripe.now)]

    events = runtime.run(happen())
    Random(1).shuffle(events)
    deliver(post, *events)  # type: ignore[arg-type]


def written(post: Post) -> int:
    (row,) = post.rows("SELECT coalesce(sum(objects), 0) AS objects FROM backfill_totals")
    return int(row["objects"])


def test_a_backfill_killed_in_the_middle_of_a_living_account_ends_in_stripes_truth(
    stripe: SimulatedStripe,
    post: Post,
    redis_url: str,
    start_worker: Callable[..., RunningWorker],
    tmp_path: Path,
) -> None:
    activity = AccountActivity(stripe.account, population=600)
    start_worker(STRIPE_API_KEY=KEY, STRIPE_API_BASE=stripe.url, STRIPE_REQUESTS_PER_SECOND="1000")
    killed = Filling(post, redis_url, stripe, tmp_path / "killed.log")
    wait_until(lambda: written(post) > 0, what="the first page", seconds=40)
    live(stripe, activity, post, steps=30)
    killed.process.kill()
    before = written(post)
    live(stripe, activity, post, steps=30)

    again = Filling(post, redis_url, stripe, tmp_path / "again.log")
    live(stripe, activity, post, steps=30)
    ended = again.await_end()

    assert ended == 0, again.log.read_text()
    assert before < written(post)
    stripe.now += 70  # from then on no answer can be older than the last event
    wait_until(lambda: is_settled(stripe, post), what="Stripe's truth in both tables", seconds=60)


def is_settled(stripe: SimulatedStripe, post: Post) -> bool:
    unsure = post.rows("SELECT FROM users WHERE unsure UNION ALL SELECT FROM subscriptions WHERE unsure")
    return not unsure and differences(stripe, post) == ()


def test_a_backfill_asks_no_faster_than_the_budget_allows(
    stripe: SimulatedStripe, post: Post, redis_url: str, tmp_path: Path
) -> None:
    begun = time.monotonic()

    filling = Filling(post, redis_url, stripe, tmp_path / "log")
    ended = filling.await_end()

    assert ended == 0, filling.log.read_text()
    assert stripe.requests / (time.monotonic() - begun) <= REQUESTS_A_SECOND
