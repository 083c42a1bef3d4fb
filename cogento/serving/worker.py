"""gunicorn's process, in which uvicorn serves connections of ours. Leans on uvicorn-worker as it is in 0.4."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from uvicorn_worker import UvicornWorker

from cogento.serving.connection import IDLE_SECONDS, Connection
from cogento.serving.memory import Memory

NOTIFY_SECONDS = 1


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
        self._memory = Memory()
        super().__init__(*args, **kwargs)
        # A second before gunicorn's patience ends: what is not done by then is told so.
        self.config.timeout_graceful_shutdown = max(1, self.cfg.graceful_timeout - 1)
        self.config.timeout_notify = NOTIFY_SECONDS

    async def callback_notify(self) -> None:
        """Tell gunicorn's first process that this one goes on; end like it, when it was killed."""
        if os.getppid() == self.ppid:
            self._memory.look(time.monotonic())
            await super().callback_notify()
        else:
            os.kill(os.getpid(), signal.SIGTERM)
