"""Events that Stripe lists and that never came are found, counted and brought in; nothing is lost on the way."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest
import redis
import structlog

from cogento import runtime
from cogento.events.envelope import is_ours
from cogento.events.fence import Fence, Fenced
from cogento.events.names import EventId
from cogento.local.stripe.errors import Fault, FaultKind
from cogento.queue.claims import Limits
from cogento.reconcile import sweep as missed_events
from cogento.reconcile.enqueue import QueueFullError
from cogento.reconcile.reconciliation import SWEEP_TURN, OwnAccountError
from cogento.reconcile.sweep import DAY_SECONDS, REACH_SECONDS, TYPES, Slices, Swept
from cogento.retries import INTERVALS
from cogento.stripe.errors import StripeApiError
from tests.support.looped import LoopedReconciliation
from tests.support.simulated_stripe import SimulatedStripe, compared, deliver, open_reconciliation
from tests.support.stripe_histories import START, lived

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.store.progress import SweepStatus
    from tests.support.post import Post

STEPS = 240


@pytest.fixture
def stripe() -> Iterator[SimulatedStripe]:
    """An account with a life behind it."""
    simulated = SimulatedStripe(lived(steps=STEPS, population=30))
    yield simulated
    simulated.close()


def sweep(asking: LoopedReconciliation, grace_seconds: int = 0) -> Swept:
    swept = asking.sweep(grace_seconds=grace_seconds)
    assert swept is not None
    return swept


def standing(asking: LoopedReconciliation) -> SweepStatus:
    return asking.standing()


def wipe(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()


def test_the_first_sweep_brings_everything_that_stripe_still_lists(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    swept = sweep(asking)
    post.drain()

    assert swept.is_whole
    assert swept.missing == swept.listed == len(stripe.account.events)
    assert compared(stripe, post).differences == ()


def test_where_nothing_is_missing_nothing_is_put(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    deliver(post, *stripe.account.events)
    post.drain()

    swept = sweep(asking)

    assert (swept.listed, swept.missing) == (len(stripe.account.events), 0)
    assert post.mailboxes.status().waiting == 0


def test_what_waits_in_a_mailbox_is_not_missing(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    deliver(post, *stripe.account.events)

    swept = sweep(asking)

    assert swept.missing == 0
    assert standing(asking).awaited == len(stripe.account.events)


def test_the_missing_are_counted_and_remembered(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    lost = stripe.account.events[::10]
    deliver(post, *(event for event in stripe.account.events if event not in lost))
    post.drain()

    swept = sweep(asking)
    post.drain()

    assert swept.missing == standing(asking).missing == len(lost)
    assert post.rows("SELECT count(*) FROM webhook_events WHERE source = 'sweep'") == [{"count": len(lost)}]
    assert compared(stripe, post).differences == ()


def test_f17_what_a_wiped_redis_held_is_brought_back_though_the_watermark_had_passed_it(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, redis_url: str
) -> None:
    deliver(post, *stripe.account.events)
    sweep(asking)
    stripe.now += DAY_SECONDS
    sweep(asking)  # by now only what was written down as awaited tells of the events
    wipe(redis_url)

    swept = sweep(asking)
    post.drain()

    assert swept.missing == len(stripe.account.events)
    assert compared(stripe, post).differences == ()


def test_what_was_awaited_and_is_settled_is_waited_for_no_longer(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    sweep(asking)
    post.drain()

    sweep(asking)

    assert standing(asking).awaited == 0


def test_the_next_sweep_begins_at_the_watermark_and_a_little_before(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    sweep(asking)
    post.drain()
    first = stripe.requests

    swept = sweep(asking)

    assert swept.since == stripe.now - 600
    assert stripe.requests - first < first


def test_a_sweep_that_was_cut_short_is_taken_up_where_it_was(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.stripe.requests.next_delay", lambda *_, **__: 0)
    done: list[Swept] = []

    def fail_after_the_third_slice(swept: Swept) -> None:
        done.append(swept)
        stripe.trouble(*([Fault(kind=FaultKind.SERVER_ERROR)] if len(done) == 3 else []))

    with pytest.raises(StripeApiError):
        asking.sweep(grace_seconds=0, report=fail_after_the_third_slice)
    cut = standing(asking)
    stripe.trouble()

    swept = sweep(asking)
    post.drain()

    assert (cut.watermark, cut.finished) == (done[-1].at, None)
    assert swept.since == done[-1].at - 600
    assert compared(stripe, post).differences == ()


def test_events_that_may_still_be_on_their_way_are_left_alone(
    stripe: SimulatedStripe, asking: LoopedReconciliation
) -> None:
    stripe.now = START + STEPS // 15

    swept = sweep(asking, grace_seconds=20)

    assert swept.until == stripe.now - 20
    assert swept.listed == len([e for e in stripe.account.events if e.created < swept.until])


def test_a_full_mailbox_holds_the_watermark_back(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    post.mailboxes.looped.enqueue.limits = Limits(total_events=10)

    with pytest.raises(QueueFullError):
        sweep(asking)

    assert standing(asking).finished is not None  # another one at once would list the same again
    assert (standing(asking).watermark or 0) < START


def test_a_sweep_goes_no_further_while_the_workers_are_behind(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.reconcile.sweep.MAX_AWAITED", 10)
    monkeypatch.setattr("cogento.reconcile.sweep.AWAITED_AT_ONCE", 7)
    monkeypatch.setattr(Slices, "LENGTHS", (8, 8, 8, 8))
    runtime.run(asking.looped._store.sweeps.advance(START))
    deliver(post, *stripe.account.events)

    stuck = sweep(asking)
    post.drain()
    after_the_workers = sweep(asking)

    assert not stuck.is_whole
    assert standing(asking).awaited == 0
    assert after_the_workers.is_whole


def test_f58_while_one_sweeps_another_does_not(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, redis_url: str
) -> None:
    another = open_reconciliation(stripe, post, redis_url)
    turn = runtime.run(asking.looped._store.try_leader_lease(SWEEP_TURN))
    assert turn is not None
    meanwhile = another.sweep(grace_seconds=0)
    runtime.run(turn.end())

    afterwards = another.sweep(grace_seconds=0)
    another.close()

    assert meanwhile is None
    assert afterwards is not None


def test_a_sweep_is_due_five_minutes_after_the_last_one(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    asking.sweep_if_due()
    first = stripe.requests
    asking.sweep_if_due()
    second = stripe.requests
    post.rows(f"UPDATE sweep_progress SET finished_at = now() - interval '{INTERVALS.sweep_seconds} s'")

    asking.sweep_if_due()

    assert first == second < stripe.requests


@pytest.mark.parametrize(("days", "level"), [(4, "warning"), (21, "error")])
def test_a_watermark_that_stands_still_is_told_before_stripe_forgets(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, days: int, level: str
) -> None:
    post.rows(f"UPDATE sweep_progress SET finished_at = now(), watermark_at = now() - interval '{days} days'")

    with structlog.testing.capture_logs() as told:
        asking.sweep_if_due()

    assert [(line["log_level"], line["days"]) for line in told] == [(level, days)]


def test_a_gap_that_stripe_no_longer_lists_is_told(
    stripe: SimulatedStripe, asking: LoopedReconciliation
) -> None:
    runtime.run(asking.looped._store.sweeps.advance(stripe.now - REACH_SECONDS - DAY_SECONDS))

    with structlog.testing.capture_logs() as told:
        swept = sweep(asking)

    assert "sweep_gap_exceeds_stripe_retention" in {line["event"] for line in told}
    assert swept.since == stripe.now - REACH_SECONDS


def test_another_process_goes_on_with_a_sweep_that_was_cut_short(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, redis_url: str
) -> None:
    def cut_short(_: Swept) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    another = open_reconciliation(stripe, post, redis_url)
    with pytest.raises(CancelledError):
        asking.sweep(grace_seconds=0, report=cut_short)

    begun = standing(asking).watermark
    swept = sweep(another)
    another.close()

    assert begun is not None
    assert swept.since >= begun - missed_events.OVERLAP_SECONDS
    assert swept.is_whole


def test_every_type_that_is_listed_has_a_table() -> None:
    assert all(map(is_ours, TYPES))


def test_more_types_than_stripe_lists_at_once_are_listed_one_part_after_the_other(
    stripe: SimulatedStripe, asking: LoopedReconciliation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed_events, "TYPES_AT_ONCE", 4)

    assert sweep(asking).missing == len(stripe.account.events)


def test_slices_are_shorter_where_much_happens_and_longer_where_nothing_does() -> None:
    slices = Slices(until=10 * DAY_SECONDS)
    ends = [slices.end_after(0)]
    for pages in (1, 50, 50, 50, 50):
        slices.adapt(pages)
        ends.append(slices.end_after(0))

    assert ends == [3600, DAY_SECONDS, 3600, 300, 60, 60]
    assert slices.end_after(10 * DAY_SECONDS - 1) == 10 * DAY_SECONDS


OWN = Fence(livemode=False, account="acct_OWN")


@pytest.fixture
def asking_for_one(stripe: SimulatedStripe, post: Post, redis_url: str) -> Iterator[LoopedReconciliation]:
    """A process with STRIPE_ACCOUNT set."""
    process = open_reconciliation(stripe, post, redis_url, fence=OWN)
    yield process
    process.close()


def keep_out(post: Post, event_id: str) -> None:
    """Note what a receiver does whose own account is named by STRIPE_ACCOUNT."""
    unnamed, once = EventId(event_id), {Fenced.NO_ACCOUNT: 1}
    post.mailboxes.fence_notes.note(OWN, let_in=0, kept_out=once, unnamed=unnamed)


def test_t16_where_receivers_keep_our_own_events_out_no_way_of_asking_lets_them_in(
    stripe: SimulatedStripe, asking_for_one: LoopedReconciliation, post: Post
) -> None:
    keep_out(post, stripe.account.events[0].id)

    with pytest.raises(OwnAccountError, match="Unset it"):
        asking_for_one.sweep(grace_seconds=0)
    with pytest.raises(OwnAccountError):
        asking_for_one.backfill()
    with pytest.raises(OwnAccountError):
        asking_for_one.verify(repair=True)
    assert post.mailboxes.status().waiting == 0


def test_t16_a_worker_says_so_at_every_look_and_sweeps_nothing(
    stripe: SimulatedStripe, asking_for_one: LoopedReconciliation, post: Post
) -> None:
    keep_out(post, stripe.account.events[0].id)

    with structlog.testing.capture_logs() as lines:
        asking_for_one.sweep_if_due()

    assert [line["event"] for line in lines] == ["own_account_named"]
    assert post.mailboxes.status().waiting == 0


def test_an_event_of_the_platform_that_was_kept_out_stops_no_sweep_of_its_connected_account(
    stripe: SimulatedStripe, asking_for_one: LoopedReconciliation, post: Post
) -> None:
    keep_out(post, "evt_of_the_platform")

    assert sweep(asking_for_one).missing == len(stripe.account.events)


def test_t6_a_sweep_takes_nothing_of_the_other_mode(
    stripe: SimulatedStripe, post: Post, redis_url: str
) -> None:
    live = open_reconciliation(stripe, post, redis_url, fence=Fence(livemode=True, account=None))

    swept = sweep(live)
    live.close()

    assert (swept.listed, swept.missing, post.mailboxes.status().waiting) == (0, 0, 0)
