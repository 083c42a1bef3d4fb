"""Clocks that are wrong, or that jump while we work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from cogento.events.names import CustomerId
from cogento.queue.status import MailboxState
from tests.support.builders import customer, event_body
from tests.support.clocks import ShiftedClock
from tests.support.running_receiver import RunningReceiver
from tests.support.servers import wait_until
from tests.support.wire import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogento.local.valkey import Valkey
    from tests.support.checker import Checker
    from tests.support.post import Post
    from tests.support.running_worker import RunningWorker
    from tests.support.servers import RunningServer
    from tests.support.worker_trial import WorkerTrial

TEN_MINUTES = 600
A_DAY = 86_400
TRIED_OFTEN = 9
EVENT = Request(body=event_body("customer.created", customer(), id_="evt_1"))

FAIL_EVERY_WRITE = """
CREATE FUNCTION fail() RETURNS TRIGGER LANGUAGE PLPGSQL AS $$
BEGIN
    RAISE EXCEPTION 'cancelled' USING ERRCODE = '57014';
END
$$;
CREATE TRIGGER fails BEFORE INSERT ON users EXECUTE FUNCTION fail();
"""


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> ShiftedClock:
    """A clock for processes that are started with its environment."""
    return ShiftedClock.make(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def receiver(valkey_server: RunningServer[Valkey], clock: ShiftedClock) -> Iterator[RunningReceiver]:
    """A receiver that uses that clock."""
    log = clock.shift.with_name("receiver.log")
    receiver = RunningReceiver(valkey_server.url, log, **clock.environment)
    receiver.await_answer()
    yield receiver
    receiver.end()


@pytest.mark.parametrize(("wrong_by", "flaw"), [(TEN_MINUTES, "too_old"), (-TEN_MINUTES, "too_new")])
def test_f39_a_receiver_whose_clock_is_wrong_refuses_says_so_and_accepts_once_it_is_right(
    wrong_by: int, flaw: str, *, post: Post, checker: Checker, receiver: RunningReceiver, clock: ShiftedClock
) -> None:
    clock.jump(wrong_by)
    before = receiver.stored()
    assert receiver.ask(EVENT).error == (400, "signature_invalid")
    assert receiver.stored() == before
    assert receiver.metric("cogento_clock_skew_seconds") == pytest.approx(wrong_by, abs=5)
    assert receiver.metric(f'cogento_webhook_signature_failures_total{{reason="{flaw}"}}') == 1
    assert receiver.lines("timestamp_outside_window")

    clock.jump(0)

    assert receiver.ask(EVENT).outcome == (200, "queued")
    assert receiver.metric("cogento_clock_skew_seconds") == pytest.approx(0, abs=5)
    post.drain()
    assert checker.judge(accepted=["evt_1"], logs=[receiver.log]).problems == ()


@pytest.mark.parametrize("jump", [A_DAY, -A_DAY])
def test_f40_a_workers_clock_that_jumps_ends_no_lease_and_holds_nothing_back(
    jump: int, trial: WorkerTrial, clock: ShiftedClock, start_worker: Callable[..., RunningWorker]
) -> None:
    clock.jump(0)
    start_worker(**clock.environment, BATCH_EVENTS="5", LEASE_SECONDS="30")
    trial.put(customers=100, events=4)
    wait_until(lambda: bool(trial.post.ledger()), what="the first batch")

    clock.jump(jump)
    trial.await_quiet(seconds=20)

    assert trial.named() == trial.names
    assert trial.problems() == ()
    assert trial.post.mailboxes.status().counters.expired == 0


def test_f40_a_worker_whose_clock_is_wrong_makes_events_wait_by_the_clock_of_redis(
    trial: WorkerTrial, clock: ShiftedClock, start_worker: Callable[..., RunningWorker]
) -> None:
    with psycopg.connect(trial.post.database_url, autocommit=True) as connection:
        connection.execute(FAIL_EVERY_WRITE)
        clock.jump(A_DAY)
        start_worker(**clock.environment)
        trial.put(customers=1)
        view = asleep(trial, "cus_0")
        connection.execute("DROP TRIGGER fails ON users")

    assert view - trial.post.mailboxes.now_ms() < TEN_MINUTES * 1000
    trial.await_quiet(seconds=20)
    assert trial.named() == trial.names
    assert trial.problems(attempts_allowed=TRIED_OFTEN) == ()


def asleep(trial: WorkerTrial, customer_id: str) -> int:
    """Wait until a customer sleeps and return until when."""
    view = trial.post.mailboxes.view
    is_asleep = lambda: view(CustomerId(customer_id)).state is MailboxState.SLEEPING  # noqa: E731
    wait_until(is_asleep, what="the customer to sleep")
    until = view(CustomerId(customer_id)).state_ms
    assert until is not None
    return until
