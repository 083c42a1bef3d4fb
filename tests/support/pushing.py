"""Clients that try to exhaust a resource, while the test continues."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tests.support.wire import event_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.wire import Connection

ANSWER_SECONDS = 10
SIGNED_HEAD = event_request().wire().partition(b"\r\n\r\n")[0]
UNSIGNED_POST = b"POST /webhooks/stripe HTTP/1.1\r\nContent-Type: application/json\r\n"
CHUNKED_POST = UNSIGNED_POST + b"Transfer-Encoding: chunked\r\n\r\n"


class Server(Protocol):
    """A server to connect to."""

    def connect(self) -> Connection:
        """Open a connection to it."""


@dataclass(frozen=True)
class Push:
    """So many clients that say `first`, then the rest again and again, and read nothing.

    Those that `await_answer` have been answered, or cut off, before the test goes on.
    """

    clients: int
    first: bytes
    rest: bytes = b""
    await_answer: bool = False


@contextmanager
def pushing(server: Server, push: Push) -> Iterator[None]:
    """Push until the block ends; whoever is cut off does not come back."""
    connections = [server.connect() for _ in range(push.clients)]
    over = threading.Event()
    senders = [
        threading.Thread(target=_send, args=(connection, push, over), daemon=True)
        for connection in connections
        if push.rest
    ]
    for connection in connections:
        connection.send(push.first)
    for sender in senders:
        sender.start()
    if push.await_answer:
        for connection in connections:
            select.select([connection.socket], [], [], ANSWER_SECONDS)
    try:
        yield
    finally:
        over.set()
        for connection in connections:
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
            connection.socket.close()
        for sender in senders:
            sender.join()


def _send(connection: Connection, push: Push, over: threading.Event) -> None:
    with suppress(OSError):
        while not over.is_set():
            connection.socket.sendall(push.rest)
