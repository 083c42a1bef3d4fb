"""gunicorn's process: uvicorn serves connections of ours in it, and memory that a flood took goes back to the system.

Leans on uvicorn-worker as it is in 0.4.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uvicorn_worker import UvicornWorker

from cogento.serving.connection import IDLE_SECONDS, Connection

if TYPE_CHECKING:
    from collections.abc import Callable

NOTIFY_SECONDS = 1

LARGE_BYTES = 131_072
"""Blocks of this size and more are returned when they are freed; what a put takes is smaller, for to return it costs
more than to keep it."""
GROWTH = 1.05
"""A process that has more than so many times the least it ever had gives memory back …"""
PAUSE_SECONDS = 5
"""… at most this often, for what it has may be what it needs."""

_M_MMAP_THRESHOLD = -3  # mallopt(3)
_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ServingWorker(UvicornWorker):  # type: ignore[misc]  # gunicorn is not typed
    """One process that answers; `connection` serves each of its connections."""

    connection: type[Connection] = Connection

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.CONFIG_KWARGS = {
            "loop": "uvloop",
            "http": self.connection,
            "ws": "none",
            "lifespan": "off",
            "proxy_headers": False,  # no header of a client may change what a caller or a scheme is
            "server_header": False,
            "access_log": False,
            "timeout_keep_alive": IDLE_SECONDS,
        }
        self._memory = MemoryTrimmer()
        super().__init__(*args, **kwargs)
        # A second before gunicorn's patience ends: what is not done by then is told so.
        self.config.timeout_graceful_shutdown = max(1, self.cfg.graceful_timeout - 1)
        self.config.timeout_notify = NOTIFY_SECONDS

    def init_signals(self) -> None:
        """Have SIGTERM end the process in order: uvicorn raises it once more when it has stopped.

        By default the process would die of that, and what is to be sent at its end, traces for example, would not be.
        """
        super().init_signals()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())

    def handle_exit(self, *_signal: object) -> None:
        """End as on SIGTERM: called on SIGQUIT, which gunicorn sends on SIGINT and uvicorn does not know."""
        os.kill(os.getpid(), signal.SIGTERM)

    async def callback_notify(self) -> None:
        """Tell gunicorn's first process that this one goes on; end like it, when it was killed."""
        if os.getppid() == self.ppid:
            self._memory.trim_if_grown(time.monotonic())
            await super().callback_notify()
        else:
            os.kill(os.getpid(), signal.SIGTERM)


class MemoryTrimmer:
    """Gives memory that a flood of requests took back to the system, so that the next flood begins where the last did.

    Three things keep it: glibc raises the size from which it returns a block at once to the largest that was ever
    freed; what is smaller stays in the middle of its heap; and connections that were cut are cycles, which Python
    collects late.

    For this process; call `trim_if_grown` about every second, the first time when it has started.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # other libraries return what is large anyway
            libc.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        self._trim: Callable[[int], int] = getattr(libc, "malloc_trim", lambda _keep: 0)
        self._least_bytes: int | None = None
        self._rests_until = 0.0

    def trim_if_grown(self, now: float) -> None:
        """Give back what is free if the process has grown; takes some milliseconds then."""
        if self._least_bytes is None:
            gc.freeze()  # what is here stays, and need not be looked at again
            self._least_bytes = resident_bytes()
        elif now >= self._rests_until and resident_bytes() > GROWTH * self._least_bytes:
            gc.collect()
            self._trim(0)
            self._least_bytes = min(self._least_bytes, resident_bytes())
            self._rests_until = now + PAUSE_SECONDS


def resident_bytes() -> int:
    """Return how much memory this process has; 0 where the system has no /proc."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
    except FileNotFoundError:
        return 0
