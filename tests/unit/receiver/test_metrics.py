"""What the receiver counts: many at once, and the same numbers as one by one."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram

from receiver import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.samples import Sample

AMOUNTS = [0.0, 0.004, 0.005, 0.0050001, 0.2, 0.25, 3.0, 10.0, 11.0]


def samples(registry: CollectorRegistry) -> Iterator[Sample]:
    return (sample for family in registry.collect() for sample in family.samples)


def count_of(outcome: str) -> float:
    return (
        metrics.REGISTRY.get_sample_value(
            "cogento_webhook_requests_total", {"outcome": outcome, "account": ""}
        )
        or 0.0
    )


def durations_of(outcome: str) -> float:
    name = "cogento_webhook_ack_duration_seconds_count"
    return metrics.REGISTRY.get_sample_value(name, {"outcome": outcome, "account": ""}) or 0.0


def test_many_durations_at_once_are_shown_as_they_are_one_by_one() -> None:
    together, apart = CollectorRegistry(), CollectorRegistry()
    many = metrics.Durations("took", "x", registry=together, buckets=metrics.ACK_BUCKETS)
    each = Histogram("took", "x", registry=apart, buckets=metrics.ACK_BUCKETS)
    many.observe_all(AMOUNTS)
    list(map(each.observe, AMOUNTS))
    assert list(samples(together)) == list(samples(apart))


def test_answers_of_one_turn_of_a_loop_are_all_counted_when_it_has_ended() -> None:
    async def answer_twice() -> float:
        metrics.time_answer("turned", 0.001)
        metrics.time_answer("turned", 0.001)
        await asyncio.sleep(0)
        return count_of("turned")

    before = count_of("turned")
    assert asyncio.run(answer_twice()) == before + 2
    assert durations_of("turned") == before + 2


def test_turns_that_follow_each_other_are_counted_each() -> None:
    async def answer() -> None:
        metrics.time_answer("followed", 0.001)
        await asyncio.sleep(0)
        metrics.time_answer("followed", 0.001)
        await asyncio.sleep(0)

    before = count_of("followed")
    asyncio.run(answer())
    asyncio.run(answer())
    assert count_of("followed") == before + 4


def test_a_loop_that_was_closed_in_the_middle_of_a_turn_keeps_nothing_from_being_counted() -> None:
    loop = asyncio.new_event_loop()
    loop.call_soon(metrics.time_answer, "closed", 0.001)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()

    async def answer() -> None:
        metrics.time_answer("closed", 0.001)

    before = count_of("closed")
    asyncio.run(answer())
    assert count_of("closed") == before + 2


def test_a_thread_without_a_loop_counts_at_once() -> None:
    before = count_of("threaded")
    thread = threading.Thread(target=metrics.time_answer, args=("threaded", 0.001))
    thread.start()
    thread.join()
    assert count_of("threaded") == before + 1


def test_the_last_signature_of_a_turn_shows_how_far_the_clock_is() -> None:
    async def sign() -> None:
        metrics.count_signed(7, 30.0)
        metrics.count_signed(7, 2.0)

    def counted() -> float:
        name = "cogento_signature_secret_matches_total"
        return metrics.REGISTRY.get_sample_value(name, {"secret_index": "7", "account": ""}) or 0.0

    before = counted()
    asyncio.run(sign())
    assert counted() == before + 2
    assert metrics.REGISTRY.get_sample_value("cogento_clock_skew_seconds", {"account": ""}) == 2.0
