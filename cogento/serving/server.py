"""What uvicorn is told wherever it serves connections of ours, and a server that is a process by itself.

Who needs several processes, and one that starts them again, has gunicorn's (worker.py).
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
"""How many may wait to be taken up, as gunicorn has it."""


def options(connection: type[Connection]) -> dict[str, Any]:
    """Return what a server is told whose connections are of this kind."""
    return {
        "loop": "uvloop",
        "http": connection,
        "ws": "none",
        "lifespan": "off",
        "proxy_headers": False,  # no header of a client may change what a caller or a scheme is
        "server_header": False,
        "access_log": False,
        "timeout_keep_alive": IDLE_SECONDS,
    }


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address of this machine, at `::` for IPv4 as well; raises OSError where another program does."""
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
    """Serve until SIGTERM, SIGINT or SIGQUIT; requests under way have `stop_seconds` then, and the process ends with 0."""
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
    """Have the signals that end a process do so by way of Python: uvicorn raises what stopped it once more when it has stopped."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())
    signal.signal(signal.SIGQUIT, lambda *_: signal.raise_signal(signal.SIGTERM))  # uvicorn does not know it
