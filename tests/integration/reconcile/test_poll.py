"""Where no webhook comes, Stripe's list of events is polled: late ones come, none twice, and nothing counts as missed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import redis
import structlog

from cogento import runtime
from cogento.events.names import CustomerId
from cogento.local.stripe.errors import Fault, FaultKind
from cogento.queue.claims import Limits
from cogento.reconcile.poll import EventPoll
from cogento.reconcile.sweep import OVERLAP_SECONDS, POLL_OVERLAP_SECONDS, REACH_SECONDS, Slices
from cogento.retries import INTERVALS
from tests.support.simulated_stripe import compared, deliver, open_reconciliation, subscription
from tests.support.stripe_histories import START

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.looped import LoopedReconciliation
    from tests.support.post import Post
    from tests.support.simulated_stripe import SimulatedStripe

EVERY_SECONDS = 3


class Polling:
    """A worker's poll, whose clock the test moves; by Postgres's clock each poll is due."""

    def __init__(self, asking: LoopedReconciliation, post: Post) -> None:
        self.seconds = 0.0
        self.post = post
        self._poll = EventPoll(
            asking.looped, every_seconds=EVERY_SECONDS, clock=lambda: self.seconds, jitter=lambda: 0.999
        )

    def run(self, *, after_seconds: float = EVERY_SECONDS) -> None:
        self.seconds += after_seconds
        self.post.rows("UPDATE sweep_progress SET finished_at = finished_at - interval '1 h'")
        runtime.run(self._poll.run())


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once where Stripe fails."""
    monkeypatch.setattr("cogento.stripe.requests.next_delay", lambda *_, **__: 0)


@pytest.fixture
def polling(stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post) -> Polling:
    """A poll of an account whose list was read up to now."""
    polls = Polling(asking, post)
    polls.run()
    return polls


def sources(post: Post) -> list[dict[str, object]]:
    return post.rows("SELECT source, count(*) AS events FROM webhook_events GROUP BY source")


def test_what_happens_in_stripe_is_a_row_after_the_next_poll(
    stripe: SimulatedStripe, polling: Polling, post: Post
) -> None:
    ada = stripe.customer()
    stripe.account.begin(ada, at=stripe.now)
    stripe.now += 1
    polling.run()
    post.drain()
    stripe.account.change(replace(ada, name="Ada"), at=stripe.now)
    stripe.now += 1

    polling.run()
    post.drain()

    assert post.rows("SELECT name FROM users") == [{"name": "Ada"}]
    assert compared(stripe, post).differences == ()


def test_nothing_that_a_poll_brings_counts_as_missed(
    stripe: SimulatedStripe, asking: LoopedReconciliation, polling: Polling, post: Post
) -> None:
    stripe.account.begin(stripe.customer(), at=stripe.now)
    stripe.now += 1

    polling.run()
    post.drain()

    assert sources(post) == [{"source": "sweep", "events": 1}]
    assert asking.standing().missing == 0


@pytest.mark.parametrize("late_seconds", [1, 5, POLL_OVERLAP_SECONDS - 1])
def test_an_event_that_stripe_lists_late_comes_with_the_next_poll(
    stripe: SimulatedStripe, polling: Polling, post: Post, late_seconds: int
) -> None:
    stripe.now += 1000
    polling.run(after_seconds=INTERVALS.sweep_seconds)
    stripe.account.begin(stripe.customer(), at=stripe.now - late_seconds)
    stripe.now += 1

    polling.run()
    post.drain()

    assert compared(stripe, post).differences == ()


def test_one_that_is_listed_very_late_comes_within_five_minutes(
    stripe: SimulatedStripe, polling: Polling, post: Post
) -> None:
    stripe.now += 1000
    polling.run(after_seconds=INTERVALS.sweep_seconds)
    stripe.account.begin(stripe.customer(), at=stripe.now - OVERLAP_SECONDS + 10)
    polling.run()
    before = post.mailboxes.status().waiting

    polling.run(after_seconds=INTERVALS.sweep_seconds)

    assert (before, post.mailboxes.status().waiting) == (0, 1)


@pytest.mark.parametrize("poll_first", [True, False])
def test_webhook_and_poll_are_one_event(
    stripe: SimulatedStripe, polling: Polling, post: Post, *, poll_first: bool
) -> None:
    event = stripe.account.begin(stripe.customer(), at=stripe.now)
    stripe.now += 1
    steps: list[Callable[[], None]] = [polling.run, lambda: deliver(post, event)]
    for step in steps if poll_first else reversed(steps):
        step()
    waiting = post.mailboxes.status().waiting
    post.drain()

    polling.run()
    deliver(post, event)
    post.drain()

    assert waiting == 1
    assert post.rows("SELECT count(*) FROM webhook_events") == [{"count": 1}]


def test_more_events_than_a_page_are_all_brought_in_one_poll(
    stripe: SimulatedStripe, polling: Polling, post: Post
) -> None:
    for number in range(230):
        stripe.account.begin(stripe.customer(f"cus_{number}"), at=stripe.now + number // 100)
    stripe.now += 3

    polling.run()

    assert post.mailboxes.status().waiting == 230


def test_what_happened_while_nobody_polled_comes_when_a_worker_is_back(
    stripe: SimulatedStripe, polling: Polling, asking: LoopedReconciliation, post: Post
) -> None:
    for hour in range(30):
        stripe.account.begin(stripe.customer(f"cus_{hour}"), at=stripe.now + hour * 3600)
    stripe.now += 31 * 3600

    Polling(asking, post).run()
    post.drain()

    assert compared(stripe, post).differences == ()


def test_what_a_wiped_redis_held_is_brought_back(
    stripe: SimulatedStripe, polling: Polling, post: Post, redis_url: str
) -> None:
    stripe.account.begin(stripe.customer(), at=stripe.now)
    stripe.now += 1
    polling.run()
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    stripe.now += 10 * POLL_OVERLAP_SECONDS

    polling.run()
    post.drain()

    assert compared(stripe, post).differences == ()


def test_of_several_workers_one_polls(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, redis_url: str
) -> None:
    another = open_reconciliation(stripe, post, redis_url)
    polls = [EventPoll(one.looped, every_seconds=60) for one in (asking, another)]
    runtime.run(polls[0].run())
    first = stripe.requests

    runtime.run(polls[1].run())
    another.close()

    assert first == stripe.requests > 0


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("kind", [FaultKind.SERVER_ERROR, FaultKind.UNAUTHORIZED])
def test_while_stripe_does_not_answer_polls_rest_longer_and_longer_and_lose_nothing(
    stripe: SimulatedStripe, polling: Polling, post: Post, redis_url: str, kind: FaultKind
) -> None:
    stripe.account.begin(stripe.customer(), at=stripe.now)
    stripe.now += 1
    stripe.trouble(Fault(kind=kind))
    with structlog.testing.capture_logs() as told:
        for _ in range(25):
            polling.run()
    stripe.trouble()
    with redis.Redis.from_url(redis_url) as client:  # the minute for which a refused key is left alone
        client.delete(*client.keys("*pace*"))

    polling.run(after_seconds=60)
    post.drain()

    pauses = [line["again_in_seconds"] for line in told if line["event"] == "poll_failed"]
    assert pauses == sorted(pauses)
    assert pauses[0] < 10 < pauses[-1]
    assert len(pauses) < 15
    assert compared(stripe, post).differences == ()


def test_while_a_mailbox_is_full_others_are_polled_and_nothing_is_passed_over(
    stripe: SimulatedStripe, polling: Polling, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Slices, "LENGTHS", (300, 300, 300, 300))
    begun = stripe.now
    post.mailboxes.looped.enqueue.limits = Limits(customer_events=1)
    post.mailboxes.pause(CustomerId("cus_1"))
    ada = stripe.customer(name="Ada")
    stripe.account.begin(stripe.customer("cus_9", name="Eve"), at=begun + 1)
    stripe.account.begin(ada, at=begun + 2)
    for number in range(120):  # newer than Eve, and more than a page
        stripe.account.change(replace(ada, name=f"Ada {number}"), at=begun + 3)
    stripe.account.begin(stripe.customer("cus_8", name="Zoe"), at=begun + 900)
    stripe.now += 1000
    polling.run()
    post.drain()
    others = post.rows("SELECT name FROM users ORDER BY name")
    post.mailboxes.looped.enqueue.limits = Limits()
    post.mailboxes.resume(CustomerId("cus_1"))

    polling.run(after_seconds=60)
    post.drain()

    assert others == [{"name": "Eve"}, {"name": "Zoe"}]
    assert compared(stripe, post).differences == ()


def test_polls_begin_now_where_none_has_begun(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    stripe.account.begin(stripe.customer("cus_before"), at=stripe.now - 86_400)

    wants_backfill = runtime.run(asking.looped.begin_polling())
    Polling(asking, post).run()

    assert wants_backfill
    assert asking.standing().watermark == stripe.now
    assert post.mailboxes.status().waiting == 0


def test_no_second_backfill_is_wanted_until_polls_were_away_for_longer_than_stripe_lists(
    stripe: SimulatedStripe, asking: LoopedReconciliation
) -> None:
    runtime.run(asking.looped.begin_polling())
    asking.backfill()
    afterwards = runtime.run(asking.looped.begin_polling())
    stripe.now += REACH_SECONDS - OVERLAP_SECONDS - 60
    in_reach = runtime.run(asking.looped.begin_polling())
    stripe.now += 120

    out_of_reach = runtime.run(asking.looped.begin_polling())

    assert (afterwards, in_reach, out_of_reach) == (False, False, True)


@pytest.mark.usefixtures("no_pauses")
def test_a_backfill_that_was_cut_short_is_still_wanted(
    stripe: SimulatedStripe, asking: LoopedReconciliation
) -> None:
    stripe.account.begin(stripe.customer(), at=START)
    runtime.run(asking.looped.begin_polling())
    stripe.trouble(Fault(kind=FaultKind.SERVER_ERROR, path="/v1/subscriptions"))
    with pytest.raises(Exception, match="500"):
        asking.backfill()
    stripe.trouble()

    assert runtime.run(asking.looped.begin_polling())


@pytest.mark.usefixtures("no_pauses")
def test_a_backfill_that_was_cut_short_before_a_gap_begins_again(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    ada = stripe.customer(name="Ada")
    stripe.account.begin(ada, at=START)
    stripe.account.begin(subscription(), at=START)
    runtime.run(asking.looped.begin_polling())
    refusal = Fault(kind=FaultKind.SERVER_ERROR, path="/v1/subscriptions")
    with pytest.raises(Exception, match="500"):
        asking.backfill(report=lambda _: stripe.trouble(refusal))
    stripe.trouble()
    stripe.account.change(replace(ada, name="Bob"), at=stripe.now)
    stripe.now += REACH_SECONDS + OVERLAP_SECONDS

    wanted = runtime.run(asking.looped.begin_polling())
    asking.backfill()

    assert wanted
    assert post.rows("SELECT name FROM users") == [{"name": "Bob"}]


def test_a_backfill_is_still_wanted_after_a_poll_has_passed_over_a_gap(
    stripe: SimulatedStripe, polling: Polling, asking: LoopedReconciliation
) -> None:
    asking.backfill()
    stripe.now += REACH_SECONDS + OVERLAP_SECONDS
    polling.run()

    wanted = runtime.run(asking.looped.begin_polling())
    asking.backfill()

    assert (wanted, runtime.run(asking.looped.begin_polling())) == (True, False)
