"""Sends prepared requests over connections that are kept: as fast as they are answered, or at a given rate.

At a rate, an answer's time is counted from when its request was due, so that a server that falls behind cannot hide
it by making its clients wait.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvloop

from bench.stream import bodies
from cogento.accounts import WEBHOOK_PATH
from tests.support.builders import SECRET, signed_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CONNECTIONS = 32


class RefusedError(RuntimeError):
    """A request was not answered 200; its message is the head of the answer."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How long the whole took, and each answer, in order of their times."""

    seconds: float
    answer_seconds: Sequence[float]

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return len(self.answer_seconds) / self.seconds

    def percentile_ms(self, part: float) -> float:
        """The time in ms that this part of the answers stayed under."""
        return self.answer_seconds[int(part * (len(self.answer_seconds) - 1))] * 1000


def signed_requests(events: int, *, customers: int) -> list[bytes]:
    """Return a stream's webhooks as they are sent, signed now."""
    return signed(bodies(events, customers=customers))


def signed(stream: Iterable[bytes]) -> list[bytes]:
    """Return the webhooks of these bodies, signed now."""
    now = int(time.time())
    return [_request(body, signed_header(body, timestamp=now, secret=SECRET)) for body in stream]


def flood(port: int, requests: Sequence[bytes]) -> Sent:
    """Send all, each connection its next one when the last is answered."""
    return uvloop.run(_send(port, ((0.0, request) for request in requests)))


def at_rate(port: int, requests: Sequence[bytes], *, per_second: float) -> Sent:
    """Send them evenly at a rate."""
    due = ((number / per_second, request) for number, request in enumerate(requests))
    return uvloop.run(_send(port, due, connections=2 * CONNECTIONS))


async def _send(port: int, due: Iterator[tuple[float, bytes]], *, connections: int = CONNECTIONS) -> Sent:
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    begun = time.perf_counter()
    took = await asyncio.gather(*(_work(*connection, due, begun) for connection in opened))
    seconds = time.perf_counter() - begun
    for _, writer in opened:
        writer.close()
    return Sent(seconds, sorted(one for several in took for one in several))


async def _work(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    due: Iterator[tuple[float, bytes]],
    begun: float,
) -> list[float]:
    took = []
    for after, request in due:
        early = begun + after - time.perf_counter()
        if early > 0:
            await asyncio.sleep(early)
        sent = begun + after if after else time.perf_counter()
        writer.write(request)
        await _read_answer(reader)
        took.append(time.perf_counter() - sent)
    return took


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise RefusedError(head.decode())
    await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]))


def _request(body: bytes, signature: str) -> bytes:
    head = (
        f"POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Stripe-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
