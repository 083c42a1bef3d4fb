"""The receiver in trouble: killed around the put, left by its client, asked to stop, given large bodies."""

from __future__ import annotations

import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from cogento.local.ports import LOCALHOST
from receiver.reading import MAX_BODY_BYTES
from tests.support.builders import customer, event_body
from tests.support.forked_process import start_from_nothing
from tests.support.redis_pipeline import accepted_ids
from tests.support.servers import wait_until
from tests.support.storm import storm
from tests.support.wire import Request, event_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.checker import Checker
    from tests.support.post import Post
    from tests.support.running_receiver import RunningReceiver

    StartReceiver = Callable[..., RunningReceiver]

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
STOP_SECONDS = 10
MEBIBYTE = 2**20
LARGE_BODIES = 32


def test_f1_killed_before_the_put_means_no_answer_and_the_repetition_is_applied_once(
    start_receiver: StartReceiver, post: Post, checker: Checker
) -> None:
    with start_receiver(FAILPOINTS="before_enqueue=kill").connect() as connection:
        connection.send(event_request().wire())
        assert connection.read() is None
    assert post.mailboxes.status().waiting == 0

    assert start_receiver().ask(event_request()).outcome == (200, "queued")

    post.drain()
    assert post.ledger() == {"evt_1": "applied"}
    assert checker.judge(accepted=["evt_1"]).problems == ()


def test_f2_killed_between_the_put_and_the_answer_the_repetition_is_a_duplicate(
    start_receiver: StartReceiver, post: Post, checker: Checker
) -> None:
    with start_receiver(FAILPOINTS="after_enqueue=kill").connect() as connection:
        connection.send(event_request().wire())
        assert connection.read() is None
    assert post.mailboxes.status().waiting == 1

    assert start_receiver().ask(event_request()).outcome == (200, "duplicate")

    post.drain()
    assert post.ledger() == {"evt_1": "applied"}
    assert checker.judge(accepted=["evt_1"]).problems == ()


def test_f3_a_client_that_breaks_off_leaves_nothing_behind(
    start_receiver: StartReceiver, checker: Checker
) -> None:
    receiver = start_receiver()
    before = receiver.stored()
    with receiver.connect() as connection:
        whole = event_request().wire()
        connection.send(whole[: len(whole) - 200])
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    sample = 'cogento_webhook_requests_total{outcome="body_incomplete"}'
    wait_until(lambda: receiver.metric(sample) == 1, what="the receiver to notice")
    assert receiver.stored() == before
    assert receiver.lines("request_failed") == []
    assert checker.judge().problems == ()


def test_f4_asked_to_stop_under_load_it_answers_2xx_for_nothing_that_is_not_kept(
    start_receiver: StartReceiver, post: Post, checker: Checker
) -> None:
    receiver = start_receiver(start_from_nothing)
    requests = [Request(body_of(2000, f"evt_{number}")) for number in range(5000)]
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(storm, receiver, requests, clients=16)
        wait_until(lambda: receiver.waiting() > 200, what="the load to be under way")
        begun = time.monotonic()
        receiver.process.ask_to_stop()
        replies = sent.result()
    assert receiver.process.wait(STOP_SECONDS - (time.monotonic() - begun))
    assert receiver.process.exit_code() == 0
    accepted = accepted_ids(replies)
    assert 200 < len(accepted) < len(requests)
    assert receiver.waiting() == len(accepted)
    post.drain()
    assert checker.judge(accepted=accepted).problems == ()


def test_f4_asked_to_stop_it_is_ready_no_more_and_finishes_the_request_it_has_begun(
    start_receiver: StartReceiver, post: Post, checker: Checker
) -> None:
    receiver, whole = start_receiver(), event_request().wire()
    with receiver.connect() as connection:
        connection.send(whole[:-200])
        wait_until(lambda: receiver.get("/readyz").status == 200, what="the receiver to have read on")
        begun = time.monotonic()
        receiver.process.ask_to_stop()
        wait_until(lambda: is_refused(receiver.port), what="probes to be refused", seconds=2)

        connection.send(whole[-200:])

        answer = connection.read()
        assert answer
        assert answer.outcome == (200, "queued")
    assert receiver.process.wait(STOP_SECONDS - (time.monotonic() - begun))
    assert receiver.process.exit_code() == 0
    post.drain()
    assert checker.judge(accepted=["evt_1"]).problems == ()


@pytest.mark.parametrize(
    ("size", "status", "count", "kept"),
    [(MEBIBYTE, 200, LARGE_BODIES, LARGE_BODIES), (MAX_BODY_BYTES + 1, 413, 3, 0)],
)
def test_f43_large_bodies_are_kept_and_one_byte_more_than_the_largest_is_refused_in_bounded_memory(
    size: int,
    status: int,
    count: int,
    kept: int,
    *,
    start_receiver: StartReceiver,
    post: Post,
    checker: Checker,
) -> None:
    receiver = start_receiver(start_from_nothing)
    requests = [Request(body_of(size, f"evt_{number}")) for number in range(count)]
    before = receiver.memory_bytes()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(receiver.ask, requests))

    assert {answer.status for answer in answers} == {status}
    assert receiver.memory_bytes() - before < LARGE_BODIES * MEBIBYTE
    post.drain()
    assert len(post.ledger()) == kept
    assert checker.judge(accepted=[f"evt_{number}" for number in range(kept)]).problems == ()


def body_of(size: int, id_: str) -> bytes:
    """An event of just this many bytes."""
    body = event_body("customer.updated", customer(f"cus_{id_}"), id_=id_)
    return body + b" " * (size - len(body))


def is_refused(port: int) -> bool:
    try:
        socket.create_connection((LOCALHOST, port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False  # it came while the port closed, and the next one will be refused
    return False
