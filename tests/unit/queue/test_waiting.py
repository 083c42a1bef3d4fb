"""Customers whose events wait, as people list them: by state, why, since when, what next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.events.names import CustomerId, EventId
from cogento.queue.claims import FailedAttempt, Settlement
from cogento.queue.pauses import Pause
from cogento.queue.waiting import WaitingState
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import START_MS, claim, envelope, ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    import fakeredis

    from cogento.queue.waiting import WaitingCustomer, WaitingPage
    from tests.support.mailbox_builders import ManualClock

TAG = "{cogento:0}"
CUS_A = CustomerId("cus_a")


def names(page: WaitingPage) -> Sequence[tuple[str, str]]:
    return [(row.state, row.customer_id) for row in page.rows]


def only(page: WaitingPage) -> WaitingCustomer:
    (row,) = page.rows
    return row


@pytest.fixture
def crowded(mailboxes: LoopedMailboxes, clock: ManualClock) -> LoopedMailboxes:
    """A customer in each state; the parked one has an event that waits, too."""
    mailboxes.put([envelope("evt_leased", customer="cus_leased")])
    claim(mailboxes, lease_seconds=20)
    mailboxes.put(
        [envelope("evt_asleep", customer="cus_asleep"), envelope("evt_parked", customer="cus_parked")]
    )
    failed = FailedAttempt(EventId("evt_asleep"), 7, clock.ms, "transient", "57014")
    mailboxes.settle(
        claim(mailboxes),
        [
            Settlement(CustomerId("cus_asleep"), failed=(failed,), postponed_until_ms=clock.ms + 30_000),
            Settlement(CustomerId("cus_parked"), parked=ids("evt_parked")),
        ],
    )
    mailboxes.pause(CustomerId("cus_quiet"))
    mailboxes.pause(CustomerId("cus_paused"), who="ops-1", why="INC-7")
    mailboxes.put(
        [envelope("evt_paused", customer="cus_paused"), envelope("evt_ready", customer="cus_parked")]
    )
    return mailboxes


def test_every_state_lists_its_customers(crowded: LoopedMailboxes) -> None:
    page = crowded.waiting()
    assert names(page) == [
        ("paused", "cus_paused"),
        ("paused", "cus_quiet"),
        ("retrying", "cus_asleep"),
        ("in_progress", "cus_leased"),
        ("queued", "cus_parked"),
        ("waiting_for_customer", "cus_parked"),
    ]
    assert page.customers == dict(zip(WaitingState, (2, 1, 1, 1, 1), strict=True))
    assert page.everything is None


def test_a_paused_customer_is_listed_with_who_why_and_since_when(
    crowded: LoopedMailboxes, clock: ManualClock
) -> None:
    clock.ms += 5_000
    first, quiet = crowded.waiting(WaitingState.PAUSED).rows
    assert (first.who, first.why, first.since_ms, first.events) == ("ops-1", "INC-7", START_MS, 1)
    assert (first.oldest_ms, first.event_id, first.next_ms) == (START_MS, "evt_paused", None)
    assert (quiet.who, quiet.why, quiet.events, quiet.oldest_ms) == ("", "", 0, None)


def test_a_retrying_customer_is_listed_with_what_failed_and_when_it_is_tried_again(
    crowded: LoopedMailboxes,
) -> None:
    row = only(crowded.waiting(WaitingState.RETRYING))
    assert (row.failed_event_id, row.attempts, row.why) == ("evt_asleep", 7, "transient 57014")
    assert row.next_ms == START_MS + 30_000


def test_a_customer_in_progress_is_listed_with_its_worker_and_the_end_of_its_lease(
    client: fakeredis.FakeRedis, clock: ManualClock
) -> None:
    mailboxes = LoopedMailboxes.on(client, clock=clock, name="vm:7")
    mailboxes.put([envelope()])
    claim(mailboxes, lease_seconds=20)
    row = only(mailboxes.waiting(WaitingState.IN_PROGRESS))
    assert (row.owner, row.next_ms, row.pause_wanted) == ("vm:7", START_MS + 20_000, False)
    mailboxes.pause(CUS_A, who="ops-1")
    row = only(mailboxes.waiting())
    assert (row.state, row.pause_wanted, row.who) == (WaitingState.IN_PROGRESS, True, "ops-1")


def test_a_customer_whose_workers_died_is_listed_with_how_often(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    mailboxes.put([envelope()])
    claim(mailboxes, lease_seconds=1)
    clock.ms += 1_000
    claim(mailboxes)
    assert only(mailboxes.waiting()).crashes == 1


def test_a_queued_customer_is_listed_with_how_long_it_has_been_in_line(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1"), envelope("evt_2")])
    row = only(mailboxes.waiting())
    assert (row.state, row.since_ms, row.events, row.why) == (WaitingState.QUEUED, START_MS, 2, "")


def test_what_waits_for_its_customer_is_listed_with_the_next_look(crowded: LoopedMailboxes) -> None:
    row = only(crowded.waiting(WaitingState.WAITING_FOR_CUSTOMER))
    assert (row.event_id, row.events, row.oldest_ms, row.next_ms) == (
        "evt_parked",
        1,
        START_MS,
        START_MS + 300_000,
    )


@pytest.mark.parametrize("shards", [1, 3])
def test_a_long_list_says_how_many_more_there_are(
    shards: int, client: fakeredis.FakeRedis, clock: ManualClock
) -> None:
    mailboxes = LoopedMailboxes.on(client, clock=clock, shards=shards)
    mailboxes.put([envelope(f"evt_{n}", customer=f"cus_{n}") for n in range(9)])
    page = mailboxes.waiting(limit=4)
    assert (len(page.rows), page.unlisted(WaitingState.QUEUED)) == (4, 5)
    assert page.unlisted(WaitingState.PAUSED) == 0


def test_customers_paused_without_events_are_listed_up_to_the_limit(mailboxes: LoopedMailboxes) -> None:
    paused = [mailboxes.pause(CustomerId(f"cus_{n}")) for n in range(30)]
    page = mailboxes.waiting(WaitingState.PAUSED, limit=10)
    assert all(paused)
    assert (len(page.rows), page.unlisted(WaitingState.PAUSED)) == (10, 20)


@pytest.mark.parametrize(
    ("customer", "states"),
    [
        ("cus_parked", ["queued", "waiting_for_customer"]),
        ("cus_quiet", ["paused"]),
        ("cus_asleep", ["retrying"]),
        ("cus_nobody", []),
    ],
)
def test_one_customer_can_be_listed_alone(customer: str, states: list[str], crowded: LoopedMailboxes) -> None:
    page = crowded.waiting(customer=CustomerId(customer))
    assert names(page) == [(state, customer) for state in states]


def test_a_pause_keeps_its_first_reason(mailboxes: LoopedMailboxes, clock: ManualClock) -> None:
    mailboxes.pause(CUS_A, who="ops-1", why="INC-7")
    clock.ms += 1
    assert not mailboxes.pause(CUS_A, who="ops-2", why="other")
    assert mailboxes.view(CUS_A).pause == Pause(START_MS, "ops-1", "INC-7")


def test_a_pause_of_everything_tells_who_and_why(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(who="ops-1", why="INC-7")
    assert (
        mailboxes.waiting().everything == mailboxes.pause_of_everything() == Pause(START_MS, "ops-1", "INC-7")
    )
    mailboxes.resume()
    assert mailboxes.pause_of_everything() is None


@pytest.mark.parametrize(
    "value", [b"1234", b"1234 ", b"1234 {}", b'1234 {"by": 1}', b"1234 junk", b"1234 \xff"]
)
def test_a_pause_that_another_release_wrote_is_one_without_who_and_why(
    value: bytes, mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    client.hset(f"{TAG}:pauses", "cus_a", value)
    client.set(f"{TAG}:halted", value)
    assert mailboxes.view(CUS_A).pause == mailboxes.pause_of_everything() == Pause(1234)
    assert only(mailboxes.waiting()).since_ms == 1234
    client.flushall()


def test_a_pause_without_a_time_is_still_one(mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis) -> None:
    client.hset(f"{TAG}:pauses", "cus_a", "junk")
    assert mailboxes.view(CUS_A).pause == Pause(None)


def test_text_of_any_kind_comes_back_as_it_was(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(CUS_A, who='"ops" 1', why="a\nb \x00 ü")
    assert mailboxes.view(CUS_A).pause == Pause(START_MS, '"ops" 1', "a\nb \x00 ü")


def test_paused_events_are_not_the_oldest_that_wait_and_have_an_age_of_their_own(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    mailboxes.pause(CUS_A)
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    assert (mailboxes.status().oldest_event_ms, mailboxes.status().oldest_paused_ms) == (None, START_MS)
    clock.ms += 7
    mailboxes.put([envelope("evt_2", customer="cus_b")])
    assert mailboxes.waits_longest(limit=5) == [("cus_b", START_MS + 7)]
    status = mailboxes.status()
    assert (status.oldest_event_age_seconds, status.oldest_paused_age_seconds) == (0.0, 0.007)


def test_while_everything_is_paused_nothing_waits_for_a_worker(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope()])
    mailboxes.pause()
    status = mailboxes.status()
    assert (status.oldest_event_ms, status.oldest_paused_ms) == (None, START_MS)
    assert mailboxes.waits_longest(limit=5) == []
