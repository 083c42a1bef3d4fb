"""Faults that workers survive: frozen, crowded, given events that crash them, asked to stop."""

from __future__ import annotations

import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from cogento.events.names import CustomerId
from cogento.queue.keys import wakeups_key
from cogento.queue.status import MailboxState
from cogento.queue.wakeup import WorkerWakeup
from tests.support.builders import NOW, customer
from tests.support.forked_process import start_from_nothing
from tests.support.running_worker import LEASE_SECONDS
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.running_worker import RunningWorker
    from tests.support.worker_trial import WorkerTrial

    StartWorker = Callable[..., RunningWorker]
    StartHere = Callable[..., object]

HELD = CustomerId("cus_0")
LEASE_MS = LEASE_SECONDS * 1000
LONG_LEASE = "10"  # fifty large events are not read within the short one where others share the machine
NEARLY_A_MEBIBYTE = random.Random(1).randbytes(160_000).hex() + " " * 720_000
LETTERS = "SELECT event_id, reason, attempts FROM dead_letters"


def freeze(
    trial: WorkerTrial, start_worker: StartWorker, start_worker_here: StartHere, instant: str
) -> RunningWorker:
    """Have a worker claim the events and freeze at a failpoint, and another one finish them."""
    frozen = start_worker(FAILPOINTS=f"{instant}@1=stop")
    trial.put()
    frozen.await_frozen()
    start_worker_here()
    trial.await_quiet()
    return frozen


def test_f9_a_worker_frozen_inside_its_transaction_has_lost_it_when_it_wakes(
    trial: WorkerTrial, start_worker: StartWorker, start_worker_here: StartHere
) -> None:
    frozen = freeze(trial, start_worker, start_worker_here, "in_tx")

    frozen.send(signal.SIGCONT)

    frozen.await_line("batch_released", "database_away")  # whichever loss it notices first
    assert frozen.lines("batch_settled") == []
    assert trial.named() == trial.names
    assert trial.problems() == ()


def test_f9_a_worker_frozen_before_it_settles_can_settle_nothing_when_it_wakes(
    trial: WorkerTrial, start_worker: StartWorker, start_worker_here: StartHere
) -> None:
    frozen = freeze(trial, start_worker, start_worker_here, "before_settle")

    frozen.send(signal.SIGCONT)

    assert frozen.await_line("leases_lost")["customers"] == len(trial.names)
    assert trial.named() == trial.names
    assert trial.problems() == ()


def test_f10_a_worker_frozen_outside_of_a_transaction_begins_none_when_it_wakes(
    trial: WorkerTrial, start_worker: StartWorker, start_worker_here: StartHere
) -> None:
    frozen = freeze(trial, start_worker, start_worker_here, "after_claim")

    frozen.send(signal.SIGCONT)

    assert frozen.await_line("batch_released")["error"] == "LeaseLostError"
    assert trial.named() == trial.names
    assert trial.problems() == ()


def test_a_worker_that_waits_for_a_slow_database_keeps_its_lease(
    trial: WorkerTrial, start_worker: StartWorker, held_row: psycopg.Connection
) -> None:
    start_worker()
    trial.put(customers=1, events=3)
    wait_until(lambda: ends_of_lease(trial) > 0, what="the claim")
    first_end = ends_of_lease(trial)

    wait_until(lambda: ends_of_lease(trial) > first_end + 2 * LEASE_MS, what="two leases to pass")
    held_row.rollback()
    trial.await_quiet()

    assert trial.post.mailboxes.status().counters.expired == 0
    assert trial.named() == trial.names
    assert trial.problems() == ()


def test_f11_a_worker_short_of_memory_loses_nothing_and_makes_no_event_pay(
    trial: WorkerTrial, start_worker: StartWorker, start_worker_here: StartHere
) -> None:
    worker = start_worker(start_from_nothing, LEASE_SECONDS=LONG_LEASE)
    worker.limit_memory(more_bytes=16 * 1024**2)

    trial.put(customers=10, events=5, padding=NEARLY_A_MEBIBYTE)

    assert worker.await_death() == os.EX_OSERR
    assert worker.lines("circuit_opened") == []
    start_worker_here(lease_seconds=int(LONG_LEASE))
    trial.await_quiet(seconds=120)
    assert trial.named() == trial.names
    assert trial.post.rows(LETTERS) == []
    assert trial.problems() == ()


def test_f11_an_event_that_memory_does_not_suffice_for_is_its_workers_fault(
    trial: WorkerTrial, start_worker: StartWorker, start_worker_here: StartHere
) -> None:
    worker = start_worker(FAILPOINTS="in_tx@1=raise:MemoryError")

    trial.put(customers=1, events=1)

    assert worker.await_death() == os.EX_OSERR
    assert worker.lines("out_of_memory") != []
    start_worker_here()
    trial.await_quiet()
    assert trial.post.ledger() == {"evt_cus_0_0": "applied"}
    assert trial.problems() == ()


def test_f12_of_several_workers_and_wakeups_for_one_customer_one_works_and_the_others_go_on(
    trial: WorkerTrial, start_worker: StartWorker, redis_url: str
) -> None:
    holder = start_worker(FAILPOINTS="in_tx@1=stop", LEASE_SECONDS="30")
    trial.put(customers=1, events=120)
    holder.await_frozen()
    other = start_worker()
    used = other.cpu_seconds()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ring_often, [redis_url] * 4))
    with redis.Redis.from_url(redis_url) as client:
        wait_until(lambda: client.llen(wakeups_key()) == 0, what="every wake-up to be taken")
    assert other.cpu_seconds() - used < 2
    assert other.lines("batch_settled") == []
    holder.send(signal.SIGCONT)
    trial.await_quiet()

    assert trial.named() == trial.names
    assert trial.problems() == ()


def test_f41_an_event_that_always_fails_is_a_dead_letter_and_nobody_else_pays(
    trial: WorkerTrial, start_worker: StartWorker
) -> None:
    start_worker(FAILPOINTS="in_tx~evt_cus_3_1=raise:KeyError")
    trial.put(customers=6, events=3)

    wait_until(lambda: hurry(trial, "cus_3"), what="the letter", seconds=30)
    trial.await_quiet()

    assert trial.post.rows(LETTERS) == [{"event_id": "evt_cus_3_1", "reason": "bug", "attempts": 5}]
    assert trial.post.rows("SELECT DISTINCT attempts FROM webhook_events WHERE outcome <> 'dead'") == [
        {"attempts": 0}
    ]
    assert trial.named() == trial.names
    assert trial.problems(attempts_allowed=5, dead_allowed=["evt_cus_3_1"]) == ()


def test_f48_a_worker_asked_to_stop_under_load_is_quick_and_the_next_goes_on_at_once(
    trial: WorkerTrial, start_worker: StartWorker
) -> None:
    worker = start_worker(BATCH_EVENTS="5")
    trial.put(customers=3000, events=1)
    wait_until(lambda: bool(trial.named()), what="the first rows")

    worker.process.ask_to_stop()

    assert worker.process.wait(10)
    assert worker.process.exit_code() == 0
    status = trial.post.mailboxes.status()
    assert status.leased == 0
    assert 0 < len(trial.ids) - len(trial.named()) <= status.waiting  # a batch cut at its commit waits, too
    start_worker()
    wait_until(lambda: trial.post.mailboxes.status().waiting < status.waiting, what="more rows", seconds=5)
    trial.await_quiet()
    assert trial.problems() == ()


def test_f48_a_worker_asked_to_stop_gives_back_what_it_waits_for(
    trial: WorkerTrial, start_worker: StartWorker, start_worker_here: StartHere, held_row: psycopg.Connection
) -> None:
    worker = start_worker(LEASE_SECONDS="600")
    trial.put(customers=1)
    wait_until(lambda: ends_of_lease(trial) > 0, what="the claim")

    worker.process.ask_to_stop()

    assert worker.process.wait(10)
    assert worker.process.exit_code() == 0
    view = trial.post.mailboxes.view(HELD)
    assert (view.state, view.crashes) == (MailboxState.READY, 0)
    held_row.rollback()
    start_worker_here()
    trial.await_quiet()
    assert trial.problems() == ()


@pytest.fixture
def held_row(trial: WorkerTrial, database_url: str) -> Iterator[psycopg.Connection]:
    """A transaction that holds the row of the first customer, which is there already."""
    trial.post.put("customer.created", customer(HELD), id_="evt_0", created=NOW - 60)
    trial.post.drain()
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM users FOR UPDATE")
        yield other


def ends_of_lease(trial: WorkerTrial) -> int:
    """When the lease on the first customer ends; 0 while nobody has it."""
    view = trial.post.mailboxes.view(HELD)
    return view.state_ms or 0 if view.state is MailboxState.LEASED else 0


def ring_often(redis_url: str) -> None:
    wakeup = WorkerWakeup(redis_url)
    for _ in range(25):
        wakeup.send()
    wakeup.close()


def hurry(trial: WorkerTrial, customer_id: str) -> bool:
    """Wake a sleeping customer; returns whether there is a dead letter."""
    trial.post.mailboxes.replay(CustomerId(customer_id))
    return bool(trial.post.rows(LETTERS))
