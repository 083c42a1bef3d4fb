"""gunicorn's process, in which uvicorn serves connections of ours. Leans on uvicorn-worker as it is in 0.4."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any

from uvicorn_worker import UvicornWorker

from serving.connection import IDLE_SECONDS, Connection

NOTIFY_SECONDS = 1
LARGE_BYTES = 131_072

_M_MMAP_THRESHOLD = -3  # mallopt(3)


class Worker(UvicornWorker):  # type: ignore[misc]  # gunicorn is not typed
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
        _give_back_large_blocks()
        super().__init__(*args, **kwargs)
        # A second before gunicorn's patience ends: what is not done by then is told so.
        self.config.timeout_graceful_shutdown = max(1, self.cfg.graceful_timeout - 1)
        self.config.timeout_notify = NOTIFY_SECONDS

    async def callback_notify(self) -> None:
        """Tell gunicorn's first process that this one goes on; end like it, when it was killed."""
        if os.getppid() == self.ppid:
            await super().callback_notify()
        else:
            os.kill(os.getpid(), signal.SIGTERM)


def _give_back_large_blocks() -> None:
    """Have memory of more than LARGE_BYTES returned to the system when it is freed.

    glibc begins so, and then raises the bound to the largest block that was ever freed: what one flood of long
    bodies took would stay with the process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other libraries give back what is large anyway
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
