"""gunicorn's worker process, in which uvicorn serves our connections.

Relies on internals of uvicorn-worker in 0.4.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from uvicorn_worker import UvicornWorker

from cogento.serving.connection import Connection
from cogento.serving.memory import MemoryTrimmer
from cogento.serving.server import NOTIFY_SECONDS, options


class ServingWorker(UvicornWorker):  # type: ignore[misc]  # gunicorn is not typed
    """A process that answers requests; the class `connection` serves each of its connections."""

    connection: type[Connection] = Connection

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.CONFIG_KWARGS = options(self.connection)
        self._memory = MemoryTrimmer()
        super().__init__(*args, **kwargs)
        # A second before gunicorn kills the process: requests still under way are then cancelled in order.
        self.config.timeout_graceful_shutdown = max(1, self.cfg.graceful_timeout - 1)
        self.config.timeout_notify = NOTIFY_SECONDS

    def init_signals(self) -> None:
        """Have SIGTERM end the process in order: uvicorn raises it once more when it has stopped.

        By default that second signal would kill the process, before it could send its last traces for example.
        """
        super().init_signals()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())

    def handle_exit(self, *_signal: object) -> None:
        """End as on SIGTERM: called on SIGQUIT, which gunicorn sends on SIGINT and uvicorn does not know."""
        os.kill(os.getpid(), signal.SIGTERM)

    async def callback_notify(self) -> None:
        """Tell gunicorn's arbiter that this process is alive; end when the arbiter was killed."""
        if os.getppid() == self.ppid:
            self._memory.trim_if_grown(time.monotonic())
            await super().callback_notify()
        else:
            os.kill(os.getpid(), signal.SIGTERM)
