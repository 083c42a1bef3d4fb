"""Workers that are killed: at every instant of a batch's life, and again and again."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.running_worker import RunningWorker
    from tests.support.worker_trial import WorkerTrial

    StartWorker = Callable[..., RunningWorker]
    StartHere = Callable[..., object]


def die(trial: WorkerTrial, start_worker: StartWorker, failpoints: str, **settings: str) -> None:
    """Have a worker claim the events and die while processing them."""
    doomed = start_worker(FAILPOINTS=failpoints, **settings)
    trial.put()
    assert doomed.await_death() == -signal.SIGKILL


def test_f5_a_worker_killed_before_its_transaction_leaves_all_to_the_next(
    trial: WorkerTrial, start_worker: StartWorker, start_worker_here: StartHere
) -> None:
    die(trial, start_worker, "before_tx=kill")
    assert trial.post.ledger() == {}
    assert trial.post.mailboxes.status().waiting == len(trial.ids)

    start_worker_here()
    trial.await_quiet()

    assert trial.named() == trial.names
    assert trial.problems() == ()


@pytest.mark.parametrize("instant", ["in_tx", "before_commit"])
def test_f6_a_worker_killed_inside_its_transaction_leaves_nothing_behind(
    instant: str, trial: WorkerTrial, start_worker: StartWorker, start_worker_here: StartHere
) -> None:
    die(trial, start_worker, f"{instant}=kill")
    assert trial.post.ledger() == {}
    assert trial.named() == {}

    start_worker_here()
    trial.await_quiet()

    assert trial.named() == trial.names
    assert trial.problems() == ()


@pytest.mark.parametrize("instant", ["after_commit", "before_settle"])
def test_f7_a_worker_killed_between_commit_and_settle_has_one_effect(
    instant: str, trial: WorkerTrial, start_worker: StartWorker
) -> None:
    die(trial, start_worker, f"{instant}=kill")
    ledger = trial.post.ledger()
    assert ledger.keys() == set(trial.ids)
    assert trial.post.mailboxes.status().waiting == len(trial.ids)

    successor = start_worker()
    trial.await_quiet()

    assert successor.await_line("batch_settled")["duplicate"] == len(trial.ids)
    assert trial.post.ledger() == ledger
    assert trial.named() == trial.names
    assert trial.problems() == ()


def test_f8_a_worker_killed_at_its_third_batch_has_applied_three_and_the_rest_follows(
    trial: WorkerTrial, start_worker: StartWorker, start_worker_here: StartHere
) -> None:
    die(trial, start_worker, "after_commit@3=kill", BATCH_EVENTS="4")
    assert len(trial.post.ledger()) == 12
    assert trial.post.mailboxes.status().waiting == len(trial.ids) - 8

    start_worker_here()
    trial.await_quiet()

    assert trial.named() == trial.names
    assert trial.problems() == ()


def test_f42_an_event_that_kills_its_workers_is_a_dead_letter_and_costs_others_nothing(
    trial: WorkerTrial, start_worker: StartWorker
) -> None:
    crew = [start_worker(FAILPOINTS="before_tx~evt_cus_3_1=kill") for _ in range(5)]

    trial.put(customers=6, events=3)
    trial.await_quiet()

    dead = [worker.process.exit_code() for worker in crew].count(-signal.SIGKILL)
    letters = trial.post.rows("SELECT event_id, reason, starts, attempts FROM dead_letters")
    assert dead == 4
    assert letters == [{"event_id": "evt_cus_3_1", "reason": "crashed_worker", "starts": 4, "attempts": 0}]
    assert trial.named() == trial.names
    assert trial.problems(dead_allowed=["evt_cus_3_1"]) == ()
