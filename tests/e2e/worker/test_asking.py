"""A worker process with a key: Stripe's answers decide what events leave open, and the worker still stops at once."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cogento.local.stripe.errors import Fault, FaultKind
from tests.support.servers import wait_until
from tests.support.simulated_stripe import SimulatedStripe, deliver
from tests.support.stripe_asking import KEY
from tests.support.stripe_histories import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.post import Post
    from tests.support.running_worker import RunningWorker


@pytest.fixture
def stripe() -> Iterator[SimulatedStripe]:
    """An account without anybody."""
    simulated = SimulatedStripe()
    yield simulated
    simulated.close()


def there_and_back(stripe: SimulatedStripe, post: Post) -> None:
    """Deliver a change and the change back, with nothing that says which came first."""
    ada = stripe.customer(name="Ada")
    stripe.account.begin(ada, at=START)
    bob = stripe.account.change(replace(ada, name="Bob"), at=START + 30)
    deliver(post, bob, stripe.account.change(ada, at=START + 30))


def rows(post: Post) -> str:
    return json.dumps(post.rows("SELECT name, unsure FROM users"))


def test_with_a_key_an_undecidable_row_ends_in_stripes_truth(
    stripe: SimulatedStripe, post: Post, start_worker: Callable[..., RunningWorker]
) -> None:
    there_and_back(stripe, post)

    start_worker(STRIPE_API_KEY=KEY, STRIPE_API_BASE=stripe.url)

    truth = json.dumps([{"name": "Ada", "unsure": False}])
    wait_until(lambda: rows(post) == truth, what="Stripe's answer in the row", seconds=30)


def test_without_a_key_an_undecidable_row_is_marked_and_nobody_is_asked(
    stripe: SimulatedStripe, post: Post, start_worker: Callable[..., RunningWorker]
) -> None:
    there_and_back(stripe, post)

    start_worker(STRIPE_API_BASE=stripe.url)

    wait_until(lambda: '"unsure": true' in rows(post), what="the mark", seconds=30)
    assert stripe.requests == 0


def test_a_worker_whose_stripe_does_not_answer_stops_at_once(
    stripe: SimulatedStripe, post: Post, start_worker: Callable[..., RunningWorker]
) -> None:
    stripe.trouble(Fault(kind=FaultKind.SILENCE, seconds=20))
    worker = start_worker(STRIPE_API_KEY=KEY, STRIPE_API_BASE=stripe.url)
    wait_until(lambda: stripe.requests > 0, what="a question", seconds=30)

    begun = time.monotonic()
    worker.send(signal.SIGTERM)

    assert worker.await_death() == 0
    assert time.monotonic() - begun < 10
