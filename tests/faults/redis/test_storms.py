"""More than usual at once: F44 to F46. Answered in time, applied once, and no customer waits for another's flood."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support.redis_pipeline import event_id, new_event, new_events
from tests.support.storm import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.redis_pipeline import Pipeline

CLIENTS = 32
FAST_SECONDS = 2
"""Of a machine that others use, too; by itself an answer takes a hundredth of it."""
HOT = "cus_hot"
CUSTOMER_EVENTS = 50
SETTLED = """
    SELECT event_id, customer_id, extract(epoch FROM settled_at - received_at)
    FROM webhook_events
    ORDER BY settled_at
"""


@pytest.mark.parametrize(
    ("events", "customers", "drained_within_seconds"),
    [(2000, 200, 30), pytest.param(50_000, 5000, 300, marks=[pytest.mark.chaos, pytest.mark.timeout(900)])],
)
def test_f44_all_that_an_outage_held_back_is_taken_in_time_and_drained(
    pipeline: Pipeline, events: int, customers: int, drained_within_seconds: int
) -> None:
    requests = new_events(events, customers=customers)
    pipeline.valkey.stop()
    missed = pipeline.send(requests[: events // 2], clients=CLIENTS)
    pipeline.valkey.start()
    pipeline.await_ready()
    with pipeline.worker_asleep():
        replies = pipeline.deliver(requests, clients=CLIENTS)
    assert {reply.answer.status for reply in missed if reply.answer} == {503}
    assert percentile(replies, 0.99) < FAST_SECONDS
    pipeline.await_applied(seconds=drained_within_seconds)


@pytest.mark.parametrize("times", [2000, pytest.param(10_000, marks=pytest.mark.chaos)])
def test_f45_a_storm_of_one_event_is_one_event(pipeline: Pipeline, times: int) -> None:
    request = new_event()
    with pipeline.worker_asleep():
        first = pipeline.send([request] * (times // 2), clients=50)
        assert pipeline.receiver.waiting() == 1
    second = pipeline.send([request] * (times // 2), clients=50)
    outcomes = [reply.answer.outcome for reply in first if reply.answer]
    assert outcomes.count((200, "queued")) == 1
    assert outcomes.count((200, "duplicate")) == len(outcomes) - 1
    assert {reply.answer.status for reply in second if reply.answer} == {200}
    pipeline.await_applied()
    assert pipeline.ledger()[event_id(request)] in ("applied", "unchanged")


def test_f46_hot_customers_take_their_share_and_go_to_the_back_of_the_line(pipeline: Pipeline) -> None:
    hot, others = [new_event(f"{HOT}_{n % 3}") for n in range(1800)], new_events(100, customers=100)
    with pipeline.worker_asleep():
        pipeline.send(hot, clients=CLIENTS)
        pipeline.send(others, clients=CLIENTS)
    pipeline.await_applied(seconds=30)
    order = [id_ for id_, _, _ in settled(pipeline, 1900)]
    last_other = max(order.index(event_id(request)) for request in others)
    assert last_other < 2 * (3 * CUSTOMER_EVENTS + len(others))


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_f46_a_customer_with_nine_tenths_of_the_traffic_makes_nobody_else_wait_twice_as_long(
    pipeline: Pipeline,
) -> None:
    usual = new_events(4000, customers=400)
    pipeline.deliver(usual, clients=CLIENTS)
    pipeline.await_applied(seconds=60)
    usual_seconds = [seconds for _, _, seconds in settled(pipeline, len(usual))]
    flood = [*new_events(400, customers=40), *(new_event(HOT) for _ in range(3600))]
    random.Random(1).shuffle(flood)
    pipeline.deliver(flood, clients=CLIENTS)
    pipeline.await_applied(seconds=60)
    others_seconds = [seconds for _, who, seconds in settled(pipeline, len(flood)) if who != HOT]
    usual_p95, others_p95 = p95(usual_seconds), p95(others_seconds)
    assert others_p95 < 2 * usual_p95, f"usual {usual_p95:.2f} s, beside a flood {others_p95:.2f} s"


def settled(pipeline: Pipeline, last: int) -> list[tuple[str, str, float]]:
    """The latest rows of the ledger, in the order of their transactions: event, customer, seconds it waited."""
    with psycopg.connect(pipeline.database_url) as connection:
        rows = connection.execute(SETTLED.encode()).fetchall()
    return [(id_, customer, float(seconds)) for id_, customer, seconds in rows[-last:]]


def p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(0.95 * len(seconds))]
