"""A `cogento run` in a process of its own, and what its run.json says."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

from cogento.local.ports import free_port
from cogento.local.process import Command, Process
from cogento.local.services import ROOT
from tests.support import servers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COGENTO_RUN = (sys.executable, "-m", "cogento", "run")
NOTHING_GIVEN = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_KEY"), "")
READY_SECONDS = 90
STOP_SECONDS = 10


class LocalRun:
    """One `cogento run` on a folder of data; what it prints is in `output`, beside that folder.

    `through` is a program that becomes it; `given` are settings of its environment.
    """

    def __init__(
        self,
        data: Path,
        *options: str,
        through: tuple[str, ...] = (),
        given: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        self.output = data.with_name("output")
        argv = (*through, *COGENTO_RUN, "--data", str(data), "--port", str(free_port()), *options)
        environment = NOTHING_GIVEN | dict(given or {})
        self.process = Process(Command(argv=argv, log=self.output, environment=environment, folder=ROOT))

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json says now."""
        facts: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        return facts

    def until_ready(self) -> LocalRun:
        """Wait until it has written its own run.json: everything it starts is up."""
        servers.wait_until(self._is_ready, what="cogento run to be ready", seconds=READY_SECONDS)
        return self

    def family(self) -> list[int]:
        """Every process it has started, and itself."""
        return servers.processes_under(self.process.pid)

    def kill_alone(self) -> None:
        """SIGKILL `cogento run` itself: what it started is left to itself."""
        self.process.send(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def end(self) -> None:
        """SIGKILL it, and wait until all that it started has ended, too."""
        family = self.family()
        self.kill_alone()
        wait_until_gone(family)

    def _is_ready(self) -> bool:
        assert self.process.exit_code() is None, self.output.read_text()
        try:
            return bool(self.facts["pid"] == self.process.pid)
        except FileNotFoundError:  # not written yet; what a killed run left behind may vanish at any moment
            return False


def wait_until_gone(pids: list[int], *, seconds: float = STOP_SECONDS) -> None:
    """Wait until none of these processes is alive."""
    servers.wait_until(lambda: not any(map(servers.is_alive, pids)), what=f"{pids} to end", seconds=seconds)
