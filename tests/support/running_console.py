"""The console as it is started, in a process of its own, and what a test can see of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cogento.local.ports import free_port
from cogento.local.process import Command
from tests.support.forked_process import Launch, start_process
from tests.support.servers import wait_until
from tests.support.wire import Connection, HttpAnswer

if TYPE_CHECKING:
    from tests.support.wire import Request

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 10


class RunningConsole:
    """A console on a port of this machine, by default without a password."""

    def __init__(
        self,
        database_url: str,
        redis_url: str,
        log: Path,
        options: tuple[str, ...] = ("--local",),
        launch: Launch = start_process,
        /,
        **environment: str,
    ) -> None:
        self.port = free_port()
        self.log = log
        self.process = launch(
            Command(
                argv=(sys.executable, "-m", "cogento", "console", *options),
                log=log,
                folder=ROOT,
                environment={
                    "DATABASE_URL": database_url,
                    "REDIS_URL": redis_url,
                    "PORT": str(self.port),
                    **environment,
                },
            )
        )

    def await_answer(self) -> None:
        wait_until(self._answers, what=f"the console to answer; its log is {self.log}", seconds=90)

    def connect(self) -> Connection:
        return Connection(self.port)

    def ask(self, request: Request | bytes) -> HttpAnswer:
        """Send one request over a connection of its own and return the answer."""
        with self.connect() as connection:
            return connection.ask(request)

    def get(self, target: str) -> HttpAnswer:
        return self.ask(f"GET {target} HTTP/1.1\r\nHost: localhost:{self.port}\r\n\r\n".encode())

    def stop(self) -> None:
        self.process.stop(within_seconds=STOP_SECONDS)

    def _answers(self) -> bool:
        assert self.process.exit_code() is None, self.log.read_text()
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False
