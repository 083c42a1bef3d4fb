"""What an operator can do and see: pause, resume, remove, status, view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.events.names import CustomerId, EventId
from cogento.events.outcomes import Source
from cogento.queue.claims import Settlement
from cogento.queue.status import Counters, MailboxState, Paused, Removed
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import START_MS, all_done, claim, envelope, ids, is_idle, taken

if TYPE_CHECKING:
    import fakeredis

    from tests.support.mailbox_builders import ManualClock

CUS_A = CustomerId("cus_a")
EVT_1 = EventId("evt_1")


def test_a_paused_customer_waits_until_resumed_and_others_go_on(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(CUS_A)
    mailboxes.put([envelope("evt_1"), envelope("evt_2", customer="cus_b")])
    assert taken(claim(mailboxes)) == {"cus_b": ["evt_2"]}
    assert mailboxes.view(CUS_A).state is MailboxState.PAUSED
    mailboxes.resume(CUS_A)
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_1"]}


def test_a_turn_under_way_ends_before_the_pause_begins(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1"), envelope("evt_2")])
    held = claim(mailboxes)
    mailboxes.pause(CUS_A)
    assert mailboxes.settle(held, [Settlement(CUS_A, done=ids("evt_1"))]) == frozenset()
    assert mailboxes.view(CUS_A).state is MailboxState.PAUSED
    assert is_idle(mailboxes)


def test_a_sleeper_can_be_paused_and_tries_at_once_when_resumed(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    mailboxes.put([envelope()])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, postponed_until_ms=clock.ms + 60_000)])
    mailboxes.pause(CUS_A)
    clock.ms += 60_000
    assert is_idle(mailboxes)
    mailboxes.resume(CUS_A)
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_1"]}


@pytest.mark.parametrize("shards", [1, 3])
def test_everything_can_be_paused_and_resumed(
    shards: int, client: fakeredis.FakeRedis, clock: ManualClock
) -> None:
    mailboxes = LoopedMailboxes.on(client, clock=clock, shards=shards)
    mailboxes.put([envelope()])
    assert mailboxes.pause()
    assert not mailboxes.pause()
    assert is_idle(mailboxes)
    assert mailboxes.status().everything_paused
    assert mailboxes.resume()
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_1"]}


def test_who_is_paused_is_listed_with_events_or_without(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(CustomerId("cus_b"))
    mailboxes.pause(CUS_A)
    assert mailboxes.paused() == Paused(everything=None, customers=(CUS_A, CustomerId("cus_b")))
    mailboxes.pause()
    assert mailboxes.paused().everything


def test_pausing_twice_and_resuming_twice_say_that_nothing_changed(mailboxes: LoopedMailboxes) -> None:
    assert mailboxes.pause(CUS_A)
    assert not mailboxes.pause(CUS_A)
    assert mailboxes.resume(CUS_A)
    assert not mailboxes.resume(CUS_A)


def test_one_event_can_be_taken_out_by_its_id(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1"), envelope("evt_2")])
    assert mailboxes.remove(CUS_A, EVT_1) is Removed.REMOVED
    assert mailboxes.remove(CUS_A, EVT_1) is Removed.ABSENT
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_2"]}


def test_the_last_event_leaves_no_trace_of_the_customer(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope()])
    claim(mailboxes, lease_seconds=1)
    clock.ms += 1_000
    mailboxes.release(claim(mailboxes))
    mailboxes.remove(CUS_A, EVT_1)
    is_idle(mailboxes)
    assert sorted(client.keys("*")) == [b"{cogento:0}:layout", b"{cogento:0}:stats"]


def test_a_parked_event_can_be_taken_out(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope()])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, parked=(EVT_1,))])
    assert mailboxes.remove(CUS_A, EVT_1) is Removed.REMOVED
    assert mailboxes.status().parked == 0


def test_nothing_is_taken_out_under_a_workers_hands(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope()])
    held = claim(mailboxes)
    assert mailboxes.remove(CUS_A, EVT_1) is Removed.LEASED
    assert mailboxes.settle(held, all_done(held)) == frozenset()


def test_status_counts_what_is_there_and_what_happened(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    mailboxes.put(
        [envelope("evt_1"), envelope("evt_1"), envelope("evt_2"), envelope("evt_3", customer="cus_b")]
    )
    clock.ms += 5
    held = claim(mailboxes, max_customers=1)
    mailboxes.settle(held, [Settlement(CUS_A, done=(EVT_1,), postponed_until_ms=clock.ms + 1)])
    status = mailboxes.status()
    assert (status.waiting, status.ready, status.sleeping, status.leased, status.paused) == (2, 1, 1, 0, 0)
    assert (status.oldest_event_ms, status.now_ms) == (START_MS, START_MS + 5)
    assert status.counters == Counters(accepted=3, duplicates=1, full=0, settled=1, removed=0, expired=0)


def test_the_oldest_event_is_the_one_that_has_waited_longest(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1")])
    clock.ms += 7
    mailboxes.put([envelope("evt_2")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, done=(EVT_1,))])
    assert mailboxes.status().oldest_event_ms == START_MS + 7


def test_an_empty_mailbox_has_no_oldest_event(mailboxes: LoopedMailboxes) -> None:
    assert mailboxes.status().oldest_event_ms is None


def test_a_look_shows_events_in_order_with_when_and_how_they_came(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_2", second=2), envelope("evt_1", second=1)], source=Source.VERIFY)
    view = mailboxes.view(CUS_A)
    assert [one.event_id for one in view.waiting] == ["evt_1", "evt_2"]
    first = view.waiting[0]
    assert (first.created, first.received_ms, first.source) == (START_MS // 1000 + 1, START_MS, Source.VERIFY)


def test_a_look_at_a_long_mailbox_shows_its_head_and_its_length(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope(f"evt_{number}") for number in range(150)])
    view = mailboxes.view(CUS_A)
    assert view.waiting_total == 150
    assert len(view.waiting) == 100


def test_a_look_at_nobody_shows_nothing(mailboxes: LoopedMailboxes) -> None:
    view = mailboxes.view(CUS_A)
    assert (view.state, view.waiting, view.parked, view.crashes) == (None, (), (), 0)


@pytest.mark.parametrize("shards", [1, 3])
def test_who_waits_longest_is_named_first(
    shards: int, client: fakeredis.FakeRedis, clock: ManualClock
) -> None:
    mailboxes = LoopedMailboxes.on(client, clock=clock, shards=shards)
    mailboxes.put([envelope("evt_1", customer="cus_b")])
    clock.ms += 1000
    mailboxes.put([envelope("evt_2", customer="cus_a"), envelope("evt_3", customer="cus_b")])
    clock.ms += 1000
    mailboxes.put([envelope("evt_4", customer="cus_c")])
    assert mailboxes.waits_longest(limit=2) == [("cus_b", START_MS), ("cus_a", START_MS + 1000)]
