"""Limits: caps answer 503, and large bodies cost bounded memory in all three processes."""

from __future__ import annotations

import base64
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.builders import customer, event_body
from tests.support.redis_pipeline import assert_unavailable, new_event, new_events, numbers
from tests.support.wire import Request

if TYPE_CHECKING:
    from tests.faults.redis.conftest import StartReceiver
    from tests.support.redis_pipeline import Pipeline

MEGABYTE = 1024**2
LARGE_EVENTS = 60


def large_event(number: int) -> Request:
    """A webhook of nearly a megabyte, which compresses little."""
    noise = base64.b64encode(random.Random(number).randbytes(MEGABYTE)).decode()
    padded = customer(f"cus_large_{number}", description=noise[: MEGABYTE - 3000])
    return Request(event_body("customer.updated", padded, id_=f"evt_{next(numbers)}"))


def peak_bytes(pid: int) -> int:
    """The most memory that a process ever held."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def used_bytes(pipeline: Pipeline) -> int:
    memory: Any = pipeline.redis.info("memory")
    return int(memory["used_memory"])


def test_beyond_a_cap_stripe_is_asked_to_try_again(pipeline: Pipeline, start_receiver: StartReceiver) -> None:
    caps = {"MAILBOX_CUSTOMER_LIMIT": "3", "MAILBOX_TOTAL_LIMIT": "5"}
    receiver = start_receiver(pipeline.valkey.url, **caps)
    mine, others = [new_event("cus_a") for _ in range(4)], new_events(3, customers=3)
    with pipeline.worker_asleep():
        assert [receiver.ask(request).status for request in mine] == [200, 200, 200, 503]
        assert [receiver.ask(request).status for request in others] == [200, 200, 503]
        assert_unavailable(receiver.ask(others[-1]), "mailbox_full")
        assert receiver.ask(mine[0]).outcome == (200, "duplicate")
    pipeline.await_applied()
    assert receiver.ask(others[-1]).outcome == (200, "queued")


def test_large_bodies_cost_bounded_memory_everywhere(pipeline: Pipeline) -> None:
    requests = [large_event(number) for number in range(LARGE_EVENTS)]
    pipeline.send(new_events(50))
    pipeline.await_applied()
    (receiver_pid,) = pipeline.receiver.worker_pids()
    before = [peak_bytes(receiver_pid), peak_bytes(pipeline.worker.pid), used_bytes(pipeline)]
    with pipeline.worker_asleep():
        pipeline.deliver(requests, clients=4)
        in_redis = used_bytes(pipeline) - before[2]
    pipeline.await_applied(seconds=60)
    receiver_grew = peak_bytes(receiver_pid) - before[0]
    worker_grew = peak_bytes(pipeline.worker.pid) - before[1]
    assert in_redis < 1.2 * LARGE_EVENTS * MEGABYTE
    assert used_bytes(pipeline) - before[2] < 5 * MEGABYTE
    assert receiver_grew < 64 * MEGABYTE
    assert worker_grew < 96 * MEGABYTE
