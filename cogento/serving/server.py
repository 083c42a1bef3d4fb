"""uvicorn's options for serving our connections, and a server that is a single process.

Several processes, with one that restarts them, are gunicorn's (worker.py).
"""

from __future__ import annotations

import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import uvicorn

from cogento.serving.connection import IDLE_SECONDS
from cogento.serving.memory import MemoryTrimmer

if TYPE_CHECKING:
    from cogento.serving.answers import Application
    from cogento.serving.connection import Connection

NOTIFY_SECONDS = 1
WAITING_CONNECTIONS = 2048
"""How many connections may wait to be accepted, as in gunicorn."""


def options(connection: type[Connection]) -> dict[str, Any]:
    """Return uvicorn's options for a server whose connections are of this class."""
    return {
        "loop": "uvloop",
        "http": connection,
        "ws": "none",
        "lifespan": "off",
        "proxy_headers": False,  # no client's header may change the caller's address or the scheme
        "server_header": False,
        "access_log": False,
        "timeout_keep_alive": IDLE_SECONDS,
    }


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address of this machine, with `::` for IPv4 as well; raises OSError where another program listens there."""
    is_ipv6 = ":" in host
    return socket.create_server(
        (host, port),
        family=socket.AF_INET6 if is_ipv6 else socket.AF_INET,
        backlog=WAITING_CONNECTIONS,
        dualstack_ipv6=is_ipv6,
    )


def serve(
    application: Application, listener: socket.socket, *, connection: type[Connection], stop_seconds: int
) -> None:
    """Serve until SIGTERM, SIGINT or SIGQUIT; requests under way then have `stop_seconds`, and the process ends with 0."""
    _end_in_order()
    memory = MemoryTrimmer()

    async def trim() -> None:
        memory.trim_if_grown(time.monotonic())

    uvicorn.Server(
        uvicorn.Config(
            application,
            **options(connection),
            log_config=None,
            backlog=WAITING_CONNECTIONS,
            timeout_graceful_shutdown=stop_seconds,
            timeout_notify=NOTIFY_SECONDS,
            callback_notify=trim,
        )
    ).run([listener])


def _end_in_order() -> None:
    """Have the signals that end a process do so through Python: uvicorn raises the signal that stopped it once more when it has stopped."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())
    signal.signal(signal.SIGQUIT, lambda *_: signal.raise_signal(signal.SIGTERM))  # uvicorn does not know it
