"""Workers that are killed: at every instant of a batch's life, and again and again."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.worker_trial import WorkerTrial
    from tests.integration.worker.running import RunningWorker

    StartWorker = Callable[..., RunningWorker]


def die(trial: WorkerTrial, start_worker: StartWorker, failpoints: str, **settings: str) -> None:
    """Let a worker take the mail and die of it."""
    doomed = start_worker(FAILPOINTS=failpoints, **settings)
    trial.put()
    assert doomed.await_death() == -signal.SIGKILL


def test_f5_a_worker_killed_before_its_transaction_leaves_all_to_the_next(
    trial: WorkerTrial, start_worker: StartWorker
) -> None:
    die(trial, start_worker, "before_tx=kill")
    assert trial.post.ledger() == {}
    assert trial.post.mailboxes.status().waiting == len(trial.ids)

    start_worker()
    trial.await_quiet()

    assert trial.named() == trial.names
    assert trial.problems() == ()


@pytest.mark.parametrize("instant", ["in_tx", "before_commit"])
def test_f6_a_worker_killed_inside_its_transaction_leaves_nothing_behind(
    instant: str, trial: WorkerTrial, start_worker: StartWorker
) -> None:
    die(trial, start_worker, f"{instant}=kill")
    assert trial.post.ledger() == {}
    assert trial.named() == {}

    start_worker()
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
    trial: WorkerTrial, start_worker: StartWorker
) -> None:
    die(trial, start_worker, "after_commit@3=kill", BATCH_EVENTS="4")
    assert len(trial.post.ledger()) == 12
    assert trial.post.mailboxes.status().waiting == len(trial.ids) - 8

    start_worker()
    trial.await_quiet()

    assert trial.named() == trial.names
    assert trial.problems() == ()
