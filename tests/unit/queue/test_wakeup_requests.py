"""When a put asks for a wake-up: always when all workers are idle, rarely under load, never endlessly."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from cogento.events.names import CustomerId
from cogento.queue.claims import Settlement
from tests.support.mailbox_builders import all_done, claim, envelope, is_idle

if TYPE_CHECKING:
    from tests.support.looped import LoopedMailboxes
    from tests.support.mailbox_builders import ManualClock

CUS_A = CustomerId("cus_a")


def wakeups(mailboxes: LoopedMailboxes, *names: str) -> list[bool]:
    return [
        put.needs_wakeup for put in mailboxes.put([envelope(name, customer=f"cus_{name}") for name in names])
    ]


def test_the_first_put_wakes_and_only_once(mailboxes: LoopedMailboxes) -> None:
    assert wakeups(mailboxes, "evt_1", "evt_2") == [True, False]
    assert wakeups(mailboxes, "evt_3") == [False]


def test_a_duplicate_does_not_wake(mailboxes: LoopedMailboxes) -> None:
    wakeups(mailboxes, "evt_1")
    is_idle(mailboxes)
    assert wakeups(mailboxes, "evt_1") == [False]


def test_every_put_wakes_while_the_workers_are_idle(mailboxes: LoopedMailboxes) -> None:
    wakeups(mailboxes, "evt_1")
    held = claim(mailboxes)
    mailboxes.settle(held, all_done(held))
    assert is_idle(mailboxes)
    assert wakeups(mailboxes, "evt_2") == [True]


def test_no_put_wakes_while_a_worker_is_awake(mailboxes: LoopedMailboxes) -> None:
    wakeups(mailboxes, "evt_1")
    claim(mailboxes)
    assert wakeups(mailboxes, "evt_2", "evt_3") == [False, False]


def test_a_worker_that_finds_nothing_does_not_speak_for_one_that_works(mailboxes: LoopedMailboxes) -> None:
    wakeups(mailboxes, "evt_1")
    claim(mailboxes)
    assert is_idle(mailboxes)
    assert wakeups(mailboxes, "evt_2") == [False]


def test_a_worker_long_silent_no_longer_counts_as_awake(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    wakeups(mailboxes, "evt_1")
    claim(mailboxes, lease_seconds=30)
    clock.ms += 100
    assert wakeups(mailboxes, "evt_2") == [True]


def test_no_put_wakes_while_a_worker_lets_events_gather(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    wakeups(mailboxes, *(f"evt_{number}" for number in range(75)))
    claim(mailboxes, max_customers=100)
    clock.ms += 299
    assert wakeups(mailboxes, "evt_75") == [False]
    clock.ms += 1
    assert wakeups(mailboxes, "evt_76") == [True]


def test_unanswered_wakeups_grow_rare(mailboxes: LoopedMailboxes, clock: ManualClock) -> None:
    times = []
    for number in range(64):
        clock.ms += 100
        times += [clock.ms] * sum(wakeups(mailboxes, f"evt_{number}"))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == [100, 200, 400, 800, 1_600, 3_200]


def test_unanswered_wakeups_never_grow_rarer_than_one_a_minute(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    answers = []
    for number in range(20):
        clock.ms += 60_000
        answers += wakeups(mailboxes, f"evt_{number}")
    assert all(answers)


def test_events_for_a_postponed_customer_ask_for_no_wakeup(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, postponed_until_ms=clock.ms + 60_000)])
    is_idle(mailboxes)
    assert [put.needs_wakeup for put in mailboxes.put([envelope("evt_2")])] == [False]


def test_nothing_wakes_while_everything_is_paused(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause()
    assert wakeups(mailboxes, "evt_1") == [False]
