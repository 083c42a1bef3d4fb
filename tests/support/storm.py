"""Many clients at once, each with a connection that it keeps."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.running_receiver import RunningReceiver
    from tests.support.wire import Connection, HttpAnswer, Request


@dataclass(frozen=True)
class Reply:
    """One answer and how long it took; None where the connection ended without one."""

    request: Request
    answer: HttpAnswer | None
    seconds: float


def storm(receiver: RunningReceiver, requests: Sequence[Request], *, clients: int) -> list[Reply]:
    """Send each request once and return all replies."""
    todo = iter(requests)
    taking = threading.Lock()

    def work(_number: int) -> list[Reply]:
        with receiver.connect() as connection:
            return list(_send_all(connection))

    def _send_all(connection: Connection) -> Iterator[Reply]:
        while True:
            with taking:
                request = next(todo, None)
            if request is None:
                return
            reply = _send(connection, request)
            yield reply
            if reply.answer is None or reply.answer.headers.get("connection") == "close":
                return

    with ThreadPoolExecutor(clients) as pool:
        return [reply for replies in pool.map(work, range(clients)) for reply in replies]


def percentile(replies: Sequence[Reply], part: float) -> float:
    """Return the time within which this part of the replies came."""
    times = sorted(reply.seconds for reply in replies)
    return times[int(part * (len(times) - 1))]


def _send(connection: Connection, request: Request) -> Reply:
    begun = time.monotonic()
    connection.send(request.wire())
    answer = connection.read()
    return Reply(request, answer, time.monotonic() - begun)
