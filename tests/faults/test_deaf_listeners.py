"""Receivers of error reports and logs that do not read: no process waits for them."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.support.builders import customer, event_body
from tests.support.redis_pipeline import accepted_ids
from tests.support.running_receiver import RunningReceiver
from tests.support.running_worker import RunningWorker
from tests.support.servers import wait_until
from tests.support.storm import storm
from tests.support.wire import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.support.checker import Checker
    from tests.support.post import Post
    from tests.support.storm import Reply

BUG = "raise:RuntimeError"
ERRORS = 150  # more than the hundred that Sentry's client keeps
FLUSH_SECONDS = 2


@pytest.fixture
def deaf_sentry() -> Iterator[str]:
    """The DSN of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=500) as server:
        yield f"http://key@127.0.0.1:{server.getsockname()[1]}/1"


@pytest.fixture
def full_pipe(tmp_path: Path) -> Iterator[Path]:
    """A named pipe into which nothing more fits, and that nobody reads."""
    path = tmp_path / "log"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"x")
    yield path
    os.close(descriptor)


def requests(count: int) -> list[Request]:
    return [
        Request(body=event_body("customer.updated", customer(f"cus_{n}"), id_=f"evt_{n}"))
        for n in range(count)
    ]


def slowest(replies: Sequence[Reply]) -> float:
    return max(reply.seconds for reply in replies)


def seconds_to_stop(running: RunningReceiver | RunningWorker) -> float:
    begun = time.monotonic()
    running.process.ask_to_stop()
    assert running.process.wait(20)
    return time.monotonic() - begun


def test_f56_a_sentry_that_swallows_everything_slows_no_request_down(
    checker: Checker, redis_url: str, deaf_sentry: str, tmp_path: Path
) -> None:
    receiver = RunningReceiver(
        redis_url, tmp_path / "receiver.log", SENTRY_DSN=deaf_sentry, FAILPOINTS=f"before_enqueue={BUG}"
    )
    receiver.await_answer()

    replies = storm(receiver, requests(ERRORS), clients=ERRORS)  # each answer closes its connection

    assert [reply.answer and reply.answer.status for reply in replies] == [500] * ERRORS
    assert slowest(replies) < 2
    assert seconds_to_stop(receiver) < 10
    assert checker.judge().problems == ()


def test_f56_a_sentry_that_swallows_everything_holds_up_no_event_and_no_exit(
    post: Post, checker: Checker, *, redis_url: str, database_url: str, deaf_sentry: str, tmp_path: Path
) -> None:
    worker = RunningWorker(
        redis_url,
        database_url,
        tmp_path / "worker.log",
        SENTRY_DSN=deaf_sentry,
        FAILPOINTS=f"in_tx~cus_bug={BUG}",
    )
    worker.await_start()
    post.put("customer.created", customer("cus_bug"), id_="evt_bug")
    worker.await_line("error_reported")

    post.put("customer.created", customer("cus_well"), id_="evt_well")

    wait_until(lambda: "evt_well" in post.ledger(), what="the other customer's event", seconds=10)
    assert seconds_to_stop(worker) < FLUSH_SECONDS + 3
    assert worker.process.exit_code() == 0
    assert checker.judge(accepted=["evt_bug", "evt_well"], waiting_allowed=1).problems == ()


def test_f57_a_log_that_nobody_reads_stops_no_request(
    post: Post, checker: Checker, redis_url: str, full_pipe: Path
) -> None:
    receiver = RunningReceiver(redis_url, full_pipe)
    receiver.await_answer()
    forged = Request(body=b"{}", signature="t=1,v1=00")  # is told in the log

    replies = storm(receiver, [forged, *requests(200)], clients=10)

    assert sorted(reply.answer.status for reply in replies if reply.answer) == [200] * 200 + [400]
    assert slowest(replies) < 2
    assert seconds_to_stop(receiver) < 10
    post.drain()
    assert checker.judge(accepted=accepted_ids(replies)).problems == ()


def test_f57_a_log_that_nobody_reads_stops_no_worker(
    post: Post, checker: Checker, redis_url: str, database_url: str, full_pipe: Path
) -> None:
    worker = RunningWorker(redis_url, database_url, full_pipe)
    for n in range(20):
        post.put("customer.created", customer(f"cus_{n}"), id_=f"evt_{n}")

    wait_until(lambda: len(post.ledger()) == 20, what="all events to be settled", seconds=30)

    worker.send(signal.SIGTERM)
    assert worker.await_death() == 0
    assert checker.judge(accepted=[f"evt_{n}" for n in range(20)]).problems == ()
