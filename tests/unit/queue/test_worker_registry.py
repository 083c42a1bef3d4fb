"""Workers report that they take work, each in a slot of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.queue.worker_registry import Heartbeat
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import START_MS

if TYPE_CHECKING:
    import fakeredis

    from tests.support.mailbox_builders import ManualClock

MINUTE_MS = 60_000
WORKERS = "{cogento:0}:workers"


def beat(mailboxes: LoopedMailboxes, worker: str, *, version: str = "1.0", took_ms: int | None = None) -> int:
    return mailboxes.workers.beat(Heartbeat(worker, version, START_MS, took_ms), {})


def slots(mailboxes: LoopedMailboxes) -> dict[int, str]:
    return {seen.slot: seen.worker for seen in mailboxes.workers.seen()}


def test_what_a_worker_tells_is_seen(mailboxes: LoopedMailboxes, clock: ManualClock) -> None:
    clock.ms += 7_000
    beat(mailboxes, "host:1", version="2.0", took_ms=START_MS + 5_000)
    (seen,) = mailboxes.workers.seen()
    assert (seen.worker, seen.version, seen.started_ms) == ("host:1", "2.0", START_MS)
    assert (seen.beat_ms, seen.took_ms) == (START_MS + 7_000, START_MS + 5_000)


def test_a_worker_that_took_nothing_yet_has_no_such_time(mailboxes: LoopedMailboxes) -> None:
    beat(mailboxes, "host:1")
    assert mailboxes.workers.seen()[0].took_ms is None


def test_a_worker_of_a_later_release_that_tells_more_is_seen(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    client.hset(WORKERS, "0", f"{START_MS} host:1 {START_MS - 9} {START_MS - 5} 3.0 7 8 9")
    (seen,) = mailboxes.workers.seen()
    assert (seen.worker, seen.version, seen.started_ms) == ("host:1", "3.0", START_MS - 9)
    assert (seen.beat_ms, seen.took_ms, seen.is_alive) == (START_MS, START_MS - 5, True)


def test_a_worker_of_an_earlier_release_that_tells_less_is_seen(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    client.hset(WORKERS, "0", f"{START_MS} host:1")
    (seen,) = mailboxes.workers.seen()
    assert (seen.worker, seen.version, seen.started_ms) == ("host:1", "unknown", START_MS)
    assert (seen.beat_ms, seen.took_ms, seen.is_alive) == (START_MS, None, True)


def test_a_worker_keeps_its_slot(mailboxes: LoopedMailboxes) -> None:
    assert [beat(mailboxes, worker) for worker in ("a", "b", "a", "b")] == [0, 1, 0, 1]


def test_the_slot_of_a_worker_that_stopped_is_the_next_one_s(mailboxes: LoopedMailboxes) -> None:
    beat(mailboxes, "a")
    beat(mailboxes, "b")
    mailboxes.workers.unregister("a")
    beat(mailboxes, "c")
    assert slots(mailboxes) == {0: "c", 1: "b"}


def test_the_slot_of_a_worker_that_died_is_taken_after_a_minute(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    beat(mailboxes, "a")
    clock.ms += MINUTE_MS
    assert beat(mailboxes, "b") == 1
    clock.ms += 1
    assert beat(mailboxes, "c") == 0


def test_a_worker_whose_slot_was_taken_gets_another(mailboxes: LoopedMailboxes, clock: ManualClock) -> None:
    beat(mailboxes, "a")
    clock.ms += 2 * MINUTE_MS
    beat(mailboxes, "b")
    assert beat(mailboxes, "a") == 1


def test_a_silent_worker_is_shown_as_such_and_forgotten_after_an_hour(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    beat(mailboxes, "a")
    clock.ms += 30_000
    assert mailboxes.workers.seen()[0].is_alive
    clock.ms += 1
    assert not mailboxes.workers.seen()[0].is_alive
    clock.ms += 61 * MINUTE_MS
    beat(mailboxes, "b")
    assert "a" not in slots(mailboxes).values()


def test_delays_of_all_workers_add_up(mailboxes: LoopedMailboxes) -> None:
    first, second = Heartbeat("a", "1", START_MS, None), Heartbeat("b", "1", START_MS, None)
    mailboxes.workers.beat(first, {"queue webhook 0.5": 2})
    mailboxes.workers.beat(second, {"queue webhook 0.5": 3, "queue webhook ms": 700})
    assert mailboxes.workers.delays() == {"queue webhook 0.5": 5, "queue webhook ms": 700}


def test_workers_are_noted_once_however_many_shards(client: fakeredis.FakeRedis, clock: ManualClock) -> None:
    beat(LoopedMailboxes.on(client, clock=clock, shards=3), "a")
    assert client.keys("*:workers") == [WORKERS.encode()]
