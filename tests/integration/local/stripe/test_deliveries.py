from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from itertools import cycle, repeat
from random import Random
from typing import TYPE_CHECKING

import pytest
from stripe import SignatureVerificationError, WebhookSignature

from cogento.local.stripe.deliveries import Deliveries, DeliveryBackoff, Disorder, Endpoint
from cogento.local.stripe.http_server import Response, serving
from tests.support.receiving import HANG_UP, Receiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cogento.local.stripe.http_server import Handler, Request

SECRET = "whsec_0123456789abcdef0123456789abcdef"
ORDERLY = Disorder(window_seconds=0, late_share=0, duplicate_share=0)
AT_ONCE = DeliveryBackoff(first_seconds=0.01, cap_seconds=0.02)
TIMEOUT_SECONDS = 10


@asynccontextmanager
async def delivering(
    url: str, *, disorder: Disorder = ORDERLY, timeout_seconds: float = 5
) -> AsyncIterator[Deliveries]:
    endpoint = Endpoint(url=url, secrets=(SECRET,), connections=4, timeout_seconds=timeout_seconds)
    deliveries = Deliveries(endpoint, Random(1), disorder=disorder, backoff=AT_ONCE)
    running = asyncio.create_task(deliveries.run())
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            yield deliveries
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _deliver(handler: Handler, *events: str, disorder: Disorder = ORDERLY) -> Deliveries:
    async with serving(handler) as url, delivering(f"{url}/hook", disorder=disorder) as deliveries:
        _send(deliveries, *events)
        await deliveries.drain()
        return deliveries


def _send(deliveries: Deliveries, *events: str) -> None:
    for event_id in events:
        deliveries.send(event_id, b'{"id": "%b"}' % event_id.encode())


def _names(count: int) -> list[str]:
    return [f"evt_{number}" for number in range(count)]


def test_every_event_arrives_although_the_receiver_fails_most_of_the_time() -> None:
    receiver = Receiver(cycle([500, HANG_UP, 302, 200]))
    deliveries = asyncio.run(_deliver(receiver.answer, *_names(40)))
    assert {body["id"] for body in receiver.bodies} == set(_names(40))
    assert all(deliveries.log.was_accepted(event_id) for event_id in _names(40))


def test_an_accepted_event_is_not_sent_again() -> None:
    receiver = Receiver()
    asyncio.run(_deliver(receiver.answer, *_names(20)))
    assert Counter(body["id"] for body in receiver.bodies) == dict.fromkeys(_names(20), 1)


def test_a_duplicate_is_the_same_bytes_again() -> None:
    receiver = Receiver()
    everything_twice = Disorder(window_seconds=0, late_share=0, duplicate_share=1)
    asyncio.run(_deliver(receiver.answer, "evt_1", disorder=everything_twice))
    assert [request.body for request in receiver.requests] == [b'{"id": "evt_1"}'] * 2


def test_a_window_shuffles_what_was_sent_in_order() -> None:
    receiver = Receiver()
    shuffled = Disorder(window_seconds=0.05, late_share=0, duplicate_share=0)
    asyncio.run(_deliver(receiver.answer, *_names(30), disorder=shuffled))
    ids = [body["id"] for body in receiver.bodies]
    assert sorted(ids) == sorted(_names(30))
    assert ids != _names(30)


def test_a_lost_event_is_never_sent_and_counts_as_failed() -> None:
    receiver = Receiver()
    deliveries = asyncio.run(_deliver(receiver.answer, "evt_1", disorder=Disorder(lost_share=1)))
    assert receiver.requests == []
    assert deliveries.has_failed("evt_1")


def test_stripes_own_verification_takes_the_signature() -> None:
    receiver = Receiver()
    asyncio.run(_deliver(receiver.answer, "evt_1"))
    (request,) = receiver.requests
    header = request.headers["stripe-signature"]
    assert WebhookSignature.verify_header(request.body, header, SECRET, tolerance=60)
    with pytest.raises(SignatureVerificationError):
        WebhookSignature.verify_header(request.body + b" ", header, SECRET, tolerance=60)


def test_the_history_tells_every_attempt_and_what_was_answered() -> None:
    receiver = Receiver([503, 200])
    deliveries = asyncio.run(_deliver(receiver.answer, "evt_1"))
    assert [attempt.status for attempt in deliveries.log.attempts] == [503, 200]
    assert deliveries.log.answers == {"503": 1, "200": 1}


def test_a_refused_connection_is_tried_again_until_a_receiver_is_there() -> None:
    receiver = Receiver()

    async def come_late() -> Deliveries:
        async with serving(receiver.answer) as url:
            pass
        async with delivering(url) as deliveries:
            _send(deliveries, "evt_1")
            await _until(lambda: deliveries.has_failed("evt_1"))
            async with serving(receiver.answer, port=int(url.rpartition(":")[2])):
                await deliveries.drain()
            return deliveries

    deliveries = asyncio.run(come_late())
    assert deliveries.log.answers["ConnectionRefusedError"] >= 1
    assert [body["id"] for body in receiver.bodies] == ["evt_1"]


def test_a_receiver_that_does_not_answer_in_time_gets_the_event_again() -> None:
    answered = Receiver()
    turns = iter([asyncio.Event()])

    async def silent_once(request: Request) -> Response:
        if (never := next(turns, None)) is not None:
            await never.wait()
        return await answered.answer(request)

    async def deliver() -> Deliveries:
        async with serving(silent_once) as url, delivering(url, timeout_seconds=1) as deliveries:
            _send(deliveries, "evt_1")
            await deliveries.drain()
            return deliveries

    deliveries = asyncio.run(deliver())
    assert deliveries.log.answers == {"TimeoutError": 1, "200": 1}


def test_what_is_outstanding_is_pending_and_draining_waits_for_it() -> None:
    async def while_refused() -> tuple[bool, bool]:
        async with serving(Receiver(repeat(500)).answer) as url, delivering(url) as deliveries:
            _send(deliveries, "evt_1")
            draining = asyncio.create_task(deliveries.drain())
            await _until(lambda: len(deliveries.log.attempts) > 2)
            state = (deliveries.is_pending("evt_1"), draining.done())
            draining.cancel()
            return state

    assert asyncio.run(while_refused()) == (True, False)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for is a count, which wakes nobody
        await asyncio.sleep(0.005)
