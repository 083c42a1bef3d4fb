"""A worker as it runs in production, in a process of its own, and what a test can see of it."""

from __future__ import annotations

import json
import os
import resource
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cogento.local.process import Command
from tests.support.forked_process import Launch, start_process
from tests.support.servers import wait_until

if TYPE_CHECKING:
    import signal

ROOT = Path(__file__).parents[2]
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
LEASE_SECONDS = 2
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class RunningWorker:
    """A worker with short leases and one drain loop; `settings` are added to its environment.

    `folder` holds the program that it runs.
    """

    def __init__(
        self,
        redis_url: str,
        database_url: str,
        log: Path,
        folder: Path = ROOT,
        launch: Launch = start_process,
        /,
        **settings: str,
    ) -> None:
        self.log = log
        environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "WORKER_CONCURRENCY": "1",
            **settings,
        }
        argv = (sys.executable, *shlex.split(PROCFILE["worker"])[1:])
        self.process = launch(Command(argv=argv, log=log, environment=environment, folder=folder))

    @property
    def pid(self) -> int:
        return self.process.pid

    def await_start(self) -> None:
        """Wait until it looks for events."""
        wait_until(self._has_started, what=f"the worker to start; its log is {self.log}", seconds=40)

    def await_death(self, *, seconds: float = 20) -> int | None:
        """Wait for its end and return its exit code."""
        wait_until(lambda: self.process.exit_code() is not None, what="the worker to die", seconds=seconds)
        return self.process.exit_code()

    def await_frozen(self) -> None:
        """Wait until it has been stopped by a signal (SIGSTOP)."""
        wait_until(lambda: self._stat()[0] == "T", what="the worker to be frozen", seconds=20)

    def await_line(self, *events: str) -> dict[str, Any]:
        """Wait until it has logged one of these events and return the first such line."""
        wait_until(lambda: any(map(self.lines, events)), what=f"{events} in {self.log}", seconds=40)
        return next(filter(None, map(self.lines, events)))[0]

    def send(self, number: signal.Signals) -> None:
        self.process.send(number)

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return its log lines of one event name."""
        wanted = f'"event": "{event}"'
        return [json.loads(line) for line in self.log.read_text().splitlines() if wanted in line]

    def cpu_seconds(self) -> float:
        """Return the processor time it has used."""
        return sum(map(int, self._stat()[11:13])) / TICKS_PER_SECOND

    def limit_memory(self, *, more_bytes: int) -> None:
        """Let it have only so much more memory than it has now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        now = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData"))
        resource.prlimit(self.pid, resource.RLIMIT_DATA, (now + more_bytes, now + more_bytes))

    def _has_started(self) -> bool:
        assert self.process.exit_code() is None, self.log.read_text()
        return bool(self.lines("worker_started"))

    def _stat(self) -> list[str]:
        """The fields of /proc/PID/stat after the name: state, …, user and system ticks."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
