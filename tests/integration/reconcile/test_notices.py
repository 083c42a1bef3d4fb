"""Thin events: each object is asked for once a burst, the answers are judged as events are, and the rows end up true."""

from __future__ import annotations

import random
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
import redis

from cogento import runtime
from cogento.events.envelope import parse_envelope
from cogento.events.names import CustomerId
from cogento.events.outcomes import Source
from cogento.local.stripe.errors import Fault, FaultKind
from cogento.reconcile import refetch
from cogento.reconcile.sweep import OVERLAP_SECONDS
from cogento.stripe.requests import RawResponse
from tests.support.policies import change
from tests.support.simulated_stripe import (
    SimulatedStripe,
    compared,
    deliver,
    differences,
    notify,
    open_reconciliation,
    subscription,
)
from tests.support.stripe_histories import START, lived

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogento.local.stripe.events import AccountEvent
    from tests.support.looped import LoopedReconciliation
    from tests.support.post import Post

pytestmark = pytest.mark.usefixtures("impatient")

BUSY_STEPS = 300


@pytest.fixture
def busy(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedStripe]:
    """An account in which a lot has happened, a while ago.

    All of it is one page: without a rest, a full one is asked for again before its answers are applied.
    """
    monkeypatch.setattr(refetch, "MAX_NAMED", 1000)
    simulated = SimulatedStripe(lived(steps=BUSY_STEPS, population=40))
    simulated.now = max(event.created for event in simulated.account.events) + 100
    yield simulated
    simulated.close()


def ask(asking: LoopedReconciliation, post: Post) -> None:
    """Process the thin events, ask, and apply the answers; a second time for customers that only answers name."""
    for _ in range(2):
        post.drain()
        asking.ask()
        post.drain()


def slow_down(asking: LoopedReconciliation, stripe: SimulatedStripe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let four seconds pass between the moment at which Stripe reads an object and its answer."""
    requests = asking.looped._stripe.api._requests
    send = requests._transport

    async def send_slowly(*request: Any) -> RawResponse:
        body, _ = await send(*request)
        stripe.now += 4
        return RawResponse(body, {"date": formatdate(stripe.now, usegmt=True)})

    monkeypatch.setattr(requests, "_transport", send_slowly)
    monkeypatch.setattr(requests, "_clock", lambda: stripe.now)


def test_a_slow_answer_hides_no_change_that_was_made_while_it_was_under_way(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = stripe.customer(name="Ada")
    notify(post, stripe.account.begin(ada, at=START))
    slow_down(asking, stripe, monkeypatch)
    asked_at = stripe.now
    ask(asking, post)

    notify(post, stripe.account.change(replace(ada, name="Bob"), at=asked_at + 1))
    ask(asking, post)

    assert post.rows("SELECT name FROM users") == [{"name": "Bob"}]


def begun(stripe: SimulatedStripe, **fields: Any) -> AccountEvent:
    """A customer's creation."""
    return stripe.account.begin(stripe.customer(**fields), at=START)


def renamed(stripe: SimulatedStripe, name: str, *, at: int) -> AccountEvent | None:
    """A change of that customer's name."""
    return stripe.account.change(stripe.customer(name=name), at=at)


def outcomes(post: Post) -> dict[str, str]:
    """What became of thin events, by the ledger."""
    rows = post.rows("SELECT outcome, reason FROM webhook_events WHERE event_type LIKE 'v1.%'")
    return {row["outcome"]: row["reason"] for row in rows}


def waiting(post: Post) -> list[str]:
    """Which objects have to be asked for."""
    return [
        row["object_id"] for row in post.rows("SELECT object_id FROM notices WHERE waits_since IS NOT NULL")
    ]


def a_minute_later(stripe: SimulatedStripe, post: Post) -> None:
    """Let so much time pass that no copy of Stripe's lags behind what was told before."""
    stripe.now += 61
    post.rows("UPDATE notices SET waits_since = waits_since - INTERVAL '61 s' RETURNING 1")


def told_while_a_copy_lags(stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post) -> None:
    """A customer, Ada, who becomes Bob; the answer that follows comes from a copy that does not know it yet."""
    notify(post, begun(stripe, name="Ada"))
    ask(asking, post)
    stripe.now += 100
    stripe.trouble(Fault(kind=FaultKind.STALE, times=1))
    notify(post, renamed(stripe, "Bob", at=stripe.now - 4))
    ask(asking, post)


def retry_all(post: Post) -> None:
    """Put every letter back into its mailbox."""
    letters = [row["id"] for row in post.rows("SELECT id FROM dead_letters")]
    for replay in runtime.run(post.store.letters.retry(letters, who="worker", why="fixed")):
        envelope = parse_envelope(replay.body, now=START)
        post.mailboxes.put([envelope], source=Source.RETRY)


def shuffled(events: Sequence[AccountEvent]) -> list[AccountEvent]:
    """Every event twice, in any order."""
    twice = [*events, *events]
    random.Random(7).shuffle(twice)
    return twice


def test_what_a_thin_event_names_is_asked_for_and_written(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    notify(post, begun(stripe, name="Ada"))

    ask(asking, post)

    assert post.rows("SELECT name, unsure FROM users") == [{"name": "Ada", "unsure": False}]
    assert outcomes(post) == {"superseded": "asked"}
    assert waiting(post) == []


def test_a_kind_that_only_a_newer_release_knows_is_left_to_it(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    notify(post, begun(stripe, name="Ada"))
    post.drain()
    post.rows(
        "INSERT INTO notices (object_id, kind, told_at, ends, noticed_at, waits_since, raw_body)"
        " SELECT 'new_1', 'not_known_yet', told_at, ends, noticed_at, waits_since, raw_body FROM notices"
    )

    ask(asking, post)

    assert post.rows("SELECT name FROM users") == [{"name": "Ada"}]
    assert waiting(post) == ["new_1"]


def test_a_stream_of_thin_events_alone_shuffled_and_doubled_ends_in_stripes_truth(
    busy: SimulatedStripe, post: Post, redis_url: str
) -> None:
    asking = open_reconciliation(busy, post, redis_url)
    notify(post, *shuffled(busy.account.events))

    ask(asking, post)
    asking.close()

    objects = {event.object_id for event in busy.account.events}
    unnamed = post.rows("SELECT count(*) FROM webhook_events WHERE event_type = 'customer.fetched'")
    assert differences(busy, post) == ()
    assert compared(busy, post).unsure_rows == 0
    assert busy.requests <= len(objects)
    assert unnamed[0]["count"] > 0


def test_all_that_is_told_of_an_object_in_a_burst_costs_one_request(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    first = begun(stripe, name="Ada")
    changes = [renamed(stripe, f"Ada {n}", at=START + 1) for n in range(5)]
    notify(post, first, *changes)

    ask(asking, post)

    assert stripe.requests == 1
    assert post.rows("SELECT name FROM users") == [{"name": "Ada 4"}]


def test_what_was_told_before_the_answer_and_comes_late_is_not_asked_for_again(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    first = begun(stripe, name="Ada")
    late = renamed(stripe, "Bob", at=START + 1)
    notify(post, first)
    ask(asking, post)

    notify(post, late)
    ask(asking, post)

    assert stripe.requests == 1
    assert outcomes(post) == {"superseded": "asked", "stale": "stale"}


def test_what_changes_after_the_answer_is_asked_for_again(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    first = begun(stripe, name="Ada")
    notify(post, first)
    ask(asking, post)
    stripe.now += 100
    change = renamed(stripe, "Bob", at=stripe.now - 10)
    notify(post, change)

    ask(asking, post)

    assert stripe.requests == 2
    assert post.rows("SELECT name FROM users") == [{"name": "Bob"}]


def test_an_answer_of_the_second_of_the_change_does_not_settle_it(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    stripe.now = START + 1
    first = begun(stripe, name="Ada")
    notify(post, first)
    ask(asking, post)
    before = waiting(post)
    stripe.now += 100

    ask(asking, post)

    assert (before, waiting(post)) == (["cus_1"], [])


def test_a_deletion_is_asked_for_until_the_answer_shows_it(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    first = begun(stripe, name="Ada")
    stripe.trouble(Fault(kind=FaultKind.STALE, times=2))
    notify(post, first, stripe.account.end(stripe.customer(deleted=True), at=START + 20))
    ask(asking, post)
    lagging = waiting(post)

    ask(asking, post)

    assert (lagging, waiting(post)) == (["cus_1"], [])
    assert post.rows("SELECT deleted_at IS NOT NULL AS deleted FROM users") == [{"deleted": True}]


def test_an_answer_from_a_copy_that_lags_is_followed_by_another_a_minute_later(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    told_while_a_copy_lags(stripe, asking, post)
    ask(asking, post)
    at_once = (stripe.requests, post.rows("SELECT name FROM users"))
    a_minute_later(stripe, post)

    ask(asking, post)

    assert at_once == (2, [{"name": "Ada"}])
    assert (stripe.requests, post.rows("SELECT name FROM users")) == (3, [{"name": "Bob"}])
    assert waiting(post) == []


def test_what_an_answer_from_a_copy_that_lags_may_lack_is_asked_for_though_told_late(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    first = begun(stripe, name="Ada")
    late = renamed(stripe, "Bob", at=stripe.now - 4)
    stripe.trouble(Fault(kind=FaultKind.STALE, times=1))
    notify(post, first)
    ask(asking, post)
    notify(post, late)
    ask(asking, post)
    at_once = stripe.requests
    a_minute_later(stripe, post)

    ask(asking, post)

    assert (at_once, stripe.requests) == (1, 2)
    assert post.rows("SELECT name FROM users") == [{"name": "Bob"}]


def test_a_sweep_brings_what_no_thin_event_told_of_and_a_lagging_answer_leaves_out(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    notify(post, begun(stripe, name="Ada"), renamed(stripe, "Bob", at=stripe.now - 4))
    ask(asking, post)
    renamed(stripe, "Cleo", at=stripe.now + 30)
    stripe.trouble(Fault(kind=FaultKind.STALE, times=1))
    a_minute_later(stripe, post)
    ask(asking, post)
    before = post.rows("SELECT name FROM users")

    swept = asking.sweep(grace_seconds=0)
    post.drain()

    assert swept is not None
    assert (before, waiting(post), swept.missing) == ([{"name": "Bob"}], [], 1)
    assert post.rows("SELECT name FROM users") == [{"name": "Cleo"}]


@pytest.mark.parametrize("is_told", [True, False])
def test_a_sweep_brings_every_deletion_and_counts_those_that_no_thin_event_told_of(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, *, is_told: bool
) -> None:
    first = begun(stripe, name="Ada")
    end = stripe.account.end(stripe.customer(deleted=True), at=START + 20)
    stripe.trouble(Fault(kind=FaultKind.STALE))
    notify(post, first, end if is_told else None)
    ask(asking, post)

    swept = asking.sweep(grace_seconds=0)
    post.drain()

    assert swept is not None
    assert swept.missing == (0 if is_told else 1)
    assert post.rows("SELECT deleted_at IS NOT NULL AS deleted FROM users") == [{"deleted": True}]


def test_what_a_wiped_redis_held_is_waited_for_no_longer_once_an_answer_replaces_it(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, redis_url: str
) -> None:
    deliver(post, begun(stripe, name="Ada"))
    post.drain()
    renamed(stripe, "Bob", at=START + 50)
    asking.sweep(grace_seconds=0)
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    stripe.now += 1000
    notify(post, renamed(stripe, "Cleo", at=stripe.now - 100))
    ask(asking, post)

    asking.sweep(grace_seconds=0)
    swept = asking.sweep(grace_seconds=0)

    assert asking.standing().awaited == 0
    assert swept is not None
    assert swept.since == stripe.now - OVERLAP_SECONDS


def test_what_is_told_beside_snapshots_changes_nothing(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    first = begun(stripe, name="Ada")
    deliver(post, first)
    notify(post, first)

    ask(asking, post)

    assert compared(stripe, post).is_equal
    assert post.ledger()[first.id] == "applied"


def test_a_sweep_counts_nothing_as_missing_that_thin_events_told_of(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    notify(post, begun(stripe, name="Ada"))
    ask(asking, post)

    swept = asking.sweep(grace_seconds=0)

    assert swept is not None
    assert (swept.listed, swept.missing) == (1, 0)


def test_a_sweep_brings_back_what_no_thin_event_told_of(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, redis_url: str
) -> None:
    first = begun(stripe, name="Ada")
    notify(post, first)
    ask(asking, post)
    stripe.now += 100
    renamed(stripe, "Bob", at=stripe.now - 50)

    swept = asking.sweep(grace_seconds=0)
    post.drain()

    assert swept is not None
    assert (swept.listed, swept.missing) == (2, 1)
    assert post.rows("SELECT name FROM users") == [{"name": "Bob"}]


def test_answers_that_a_wiped_redis_held_are_asked_for_again(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, redis_url: str
) -> None:
    notify(post, begun(stripe, name="Ada"))
    post.drain()
    asking.ask()
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()

    ask(asking, post)

    assert post.rows("SELECT name FROM users") == [{"name": "Ada"}]


def test_while_the_key_is_refused_everything_waits_and_then_ends_right(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    notify(post, begun(stripe, name="Ada"))
    stripe.trouble(Fault(kind=FaultKind.UNAVAILABLE, times=8))
    ask(asking, post)
    meanwhile = waiting(post)
    stripe.trouble()

    ask(asking, post)

    assert (meanwhile, waiting(post)) == (["cus_1"], [])
    assert post.rows("SELECT name FROM users") == [{"name": "Ada"}]


def test_an_object_that_stripe_does_not_know_is_a_dead_letter_after_three_days(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch, refetch, "REFETCH", missing_seconds=0)
    first = begun(stripe, name="Ada")
    stripe.trouble(Fault(kind=FaultKind.MISSING))
    notify(post, first)
    ask(asking, post)
    meanwhile = waiting(post)
    change(monkeypatch, refetch, "PARKING", limit_seconds=0)

    ask(asking, post)

    (letter,) = post.rows("SELECT reason, object_id, status FROM dead_letters")
    assert (meanwhile, waiting(post)) == (["cus_1"], [])
    assert letter == {"reason": "object_missing", "object_id": "cus_1", "status": "open"}
    assert outcomes(post) == {"dead": "object_missing"}


def test_a_dead_deletion_takes_something_away(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch, refetch, "PARKING", limit_seconds=0)
    first = begun(stripe, name="Ada")
    stripe.trouble(Fault(kind=FaultKind.MISSING))
    notify(post, first, stripe.account.end(stripe.customer(deleted=True), at=START + 50))

    ask(asking, post)

    assert post.rows("SELECT removal FROM dead_letters") == [{"removal": True}]


def test_a_letter_about_an_object_that_stripe_knows_by_now_ends_well(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch, refetch, "PARKING", limit_seconds=0)
    change(monkeypatch, refetch, "REFETCH", missing_seconds=0)
    stripe.trouble(Fault(kind=FaultKind.MISSING))
    notify(post, begun(stripe, name="Ada"))
    ask(asking, post)
    stripe.trouble()

    retry_all(post)
    ask(asking, post)

    (letter,) = post.rows("SELECT status, resolution FROM dead_letters")
    assert letter == {"status": "resolved", "resolution": "superseded"}
    assert post.rows("SELECT name FROM users") == [{"name": "Ada"}]
    assert outcomes(post) == {"superseded": "asked"}


def test_while_more_is_told_of_an_object_nobody_asks(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    first = begun(stripe, name="Ada")
    notify(post, first)
    post.drain()
    post.mailboxes.pause(CustomerId("cus_1"))
    notify(post, renamed(stripe, "Bob", at=START + 1))

    asking.ask()

    assert stripe.requests == 0


def test_objects_whose_events_wait_keep_no_other_waiting(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refetch, "MAX_NAMED", 1)
    notify(post, begun(stripe, name="Ada"))
    post.drain()
    post.mailboxes.pause(CustomerId("cus_1"))
    notify(post, renamed(stripe, "Bob", at=START + 1))
    notify(post, stripe.account.begin(stripe.customer("cus_2", name="Eve"), at=START))
    post.drain()

    asking.ask()
    post.drain()

    assert post.rows("SELECT name FROM users") == [{"name": "Eve"}]


def subscribed(stripe: SimulatedStripe, post: Post) -> None:
    """A subscription of cus_1 that a thin event tells of."""
    notify(post, stripe.account.begin(subscription(), at=START + 1))


def test_an_answer_that_waits_in_its_paused_customer_s_mailbox_is_not_asked_for_again(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    deliver(post, begun(stripe))
    post.drain()
    post.mailboxes.pause(CustomerId("cus_1"))
    subscribed(stripe, post)
    ask(asking, post)

    ask(asking, post)

    assert (stripe.requests, post.mailboxes.view(CustomerId("cus_1")).waiting_total) == (1, 1)


def test_an_answer_that_waits_is_seen_by_another_process_where_a_row_shows_whose_it_is(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post, redis_url: str
) -> None:
    deliver(post, begun(stripe))
    subscribed(stripe, post)
    ask(asking, post)
    runtime.run(asking.looped._refetcher.stop())
    post.mailboxes.pause(CustomerId("cus_1"))
    stripe.now += 100
    deliver(post, renamed(stripe, "Bob", at=stripe.now))
    notify(post, stripe.account.change(replace(subscription(), status="past_due"), at=stripe.now))
    post.drain()
    another = open_reconciliation(stripe, post, redis_url)
    before = stripe.requests

    another.ask()
    another.close()

    assert stripe.requests == before


def test_an_answer_that_waits_for_its_customer_is_not_asked_for_again_however_long(
    stripe: SimulatedStripe, post: Post, redis_url: str
) -> None:
    seconds = [0.0]
    asking = open_reconciliation(stripe, post, redis_url, clock=lambda: seconds[0])
    begun(stripe)
    subscribed(stripe, post)
    stripe.trouble(Fault(kind=FaultKind.MISSING, path="/v1/customers"))
    for passes in range(9):
        seconds[0] = passes * 400.0
        stripe.now += 400
        ask(asking, post)
    asking.close()

    assert post.mailboxes.status().parked == 1
