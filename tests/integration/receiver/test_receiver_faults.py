"""The receiver itself in trouble: F1 to F4 of the fault matrix."""

from __future__ import annotations

import signal
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import redis

from tests.integration.receiver.storm import storm
from tests.integration.receiver.wire import event_request
from tests.servers import send, wait_until

if TYPE_CHECKING:
    from tests.integration.receiver.conftest import Start, Valkeys
    from tests.proxy import Proxy

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@pytest.fixture(autouse=True)
def _empty(own_valkey: Valkeys) -> None:
    with redis.Redis.from_url(own_valkey.url) as client:
        client.flushall()


def test_f1_killed_before_the_enqueue_means_no_answer_and_the_retry_counts(
    own_valkey: Valkeys, start: Start
) -> None:
    receiver, request = start(own_valkey.url), event_request()
    send(receiver.worker_pids()[0], signal.SIGSTOP)
    with receiver.connect() as connection:
        connection.send(request.wire())
        receiver.kill()
        assert connection.read() is None
    assert receiver.stored_body("evt_1") is None
    assert start(own_valkey.url).ask(request).outcome == (200, "queued")


def test_f2_killed_between_the_enqueue_and_the_answer_the_retry_is_a_duplicate(
    own_valkey: Valkeys, proxy: Proxy, start: Start
) -> None:
    receiver, request = start(proxy.url), event_request()
    assert receiver.ask(event_request("evt_warm")).outcome == (200, "queued")
    proxy.delay(0.25)
    with receiver.connect() as connection:
        connection.send(request.wire())
        wait_until(lambda: receiver.stored_body("evt_1") is not None, what="the event to be stored")
        receiver.kill()
        assert connection.read() is None
    proxy.heal()
    assert start(own_valkey.url).ask(request).outcome == (200, "duplicate")


def test_f3_a_client_that_breaks_off_leaves_nothing_behind(own_valkey: Valkeys, start: Start) -> None:
    receiver = start(own_valkey.url)
    before = receiver.digest()
    with receiver.connect() as connection:
        whole = event_request().wire()
        connection.send(whole[: len(whole) - 200])
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    sample = 'cogento_webhook_requests_total{outcome="body_incomplete"}'
    wait_until(lambda: receiver.metric(sample) == 1, what="the receiver to notice")
    assert receiver.digest() == before
    assert receiver.lines("request_failed") == []


def test_f4_asked_to_stop_under_load_it_finishes_what_it_has_begun(own_valkey: Valkeys, start: Start) -> None:
    receiver = start(own_valkey.url)
    requests = [event_request(f"evt_{number}") for number in range(5000)]
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(storm, receiver, requests, clients=16)
        wait_until(lambda: receiver.waiting() > 200, what="the load to be under way")
        begun = time.monotonic()
        receiver.process.ask_to_stop()
        replies = sent.result()
    assert receiver.process.wait(10 - (time.monotonic() - begun))
    assert receiver.process.exit_code() == 0
    accepted = [reply.request for reply in replies if reply.answer and reply.answer.status == 200]
    assert 200 < len(accepted) < len(requests)
    assert receiver.waiting() == len(accepted)
