"""Starts processes in tiers, restarts what dies, and stops everything in time.

The processes are data (`Service`); this module knows none of them by name. It has no thread: call `restart_ended` regularly from
the thread that started the children, since they end with that thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cogento.local.errors import LocalError, StartError
from cogento.local.process import Process, describe_end, end_of_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cogento.local.process import Command

START_SECONDS = 45.0  # a caller that waits a minute for us still learns what was wrong
READY_POLL_SECONDS = 0.02
STOP_SECONDS = 8.0  # a process that ignores that gets a last chance
RESERVED_SECONDS = 2.0  # of these seconds, for each tier that stops later
MIN_DELAY_SECONDS = 0.25
MAX_DELAY_SECONDS = 10.0
STABLE_SECONDS = 30.0  # a process that lived this long is restarted at once


class Service(Protocol):
    """How to start a process, and how to tell that it is ready."""

    @property
    def name(self) -> str:
        """Its name for people."""

    def prepare(self) -> Command:
        """Prepare what the process needs and return the command; called before every start."""

    def answers(self) -> bool:
        """Tell whether it is ready."""


@dataclass(slots=True)
class ManagedProcess:
    """A service that the supervisor runs; without a process it waits for its next start."""

    service: Service
    process: Process | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    early_exits: int = 0


@dataclass(slots=True)
class Supervisor:
    """Supervises the services that it started; `say` gets one line for each notable event."""

    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    stop_seconds: float = STOP_SECONDS
    _tiers: list[list[ManagedProcess]] = field(default_factory=list)

    @property
    def pids(self) -> dict[str, int]:
        """Name → process id of everything that runs."""
        return {managed.service.name: managed.process.pid for managed in self._managed() if managed.process}

    def start(self, services: Sequence[Service]) -> None:
        """Start a tier and return once all of it answers; tiers stop in the reverse order.

        Raises StartError naming the process and its last log lines; `stop` then stops the rest.
        """
        tier = [ManagedProcess(service) for service in services]
        self._tiers.append(tier)
        deadline = self.clock() + START_SECONDS
        for service, process in [(managed.service, self._launch(managed)) for managed in tier]:
            await_ready(service, process, seconds=deadline - self.clock())

    def restart_ended(self) -> bool:
        """Restart processes that have ended and are due; return whether any process id changed."""
        before = self.pids
        for managed in self._managed():
            name, process = managed.service.name, managed.process
            if process and process.exit_code() is not None:
                self.say(f"{name} {describe_end(process, name)}")
                process.kill()  # and any children that it left behind
                was_stable = self.clock() - managed.started_at > STABLE_SECONDS
                self._plan_restart(managed, early_exits=0 if was_stable else managed.early_exits + 1)
            if managed.process is None and self.clock() >= managed.restart_at:
                try:
                    restarted = self._launch(managed)
                except LocalError as error:
                    self.say(f"{name} can't start: {error}")
                    self._plan_restart(managed, early_exits=managed.early_exits + 1)
                else:
                    self.say(f"{name} started again (process {restarted.pid})")
        return self.pids != before

    def stop(self) -> None:
        """Stop everything, last tier first, in `stop_seconds`; a process that does not stop is killed."""
        deadline = self.clock() + self.stop_seconds
        while self._tiers:
            running = [managed.process for managed in self._tiers[-1] if managed.process]
            for process in running:
                process.ask_to_stop()
            ours = deadline - RESERVED_SECONDS * (len(self._tiers) - 1)
            for process in running:
                process.end(within_seconds=max(0.0, ours - self.clock()))
            self._tiers.pop()

    def kill_all(self) -> None:
        """End everything now; a `stop` that is under way then has nothing left to wait for."""
        for managed in self._managed():
            if managed.process:
                managed.process.send(managed.process.command.death_signal)

    def _managed(self) -> Iterator[ManagedProcess]:
        return (managed for tier in self._tiers for managed in tier)

    def _launch(self, managed: ManagedProcess) -> Process:
        managed.process = Process(managed.service.prepare())
        managed.started_at = self.clock()
        return managed.process

    def _plan_restart(self, managed: ManagedProcess, *, early_exits: int) -> None:
        managed.process, managed.early_exits = None, early_exits
        managed.restart_at = self.clock() + restart_delay(early_exits)


def await_ready(service: Service, process: Process, *, seconds: float = START_SECONDS) -> None:
    """Wait until the started service answers; StartError has the last lines of its log."""
    deadline = time.monotonic() + seconds
    while not service.answers():
        if process.exit_code() is not None:
            raise StartError(f"{service.name} {describe_end(process, service.name)}")
        if time.monotonic() > deadline:
            raise StartError(f"{service.name} was not ready in time{end_of_log(process, service.name)}")
        time.sleep(READY_POLL_SECONDS)


def restart_delay(early_exits: int) -> float:
    """Return the seconds to wait before a start, after so many early exits in a row."""
    if early_exits == 0:
        return 0.0
    return min(MIN_DELAY_SECONDS * 2.0 ** (early_exits - 1), MAX_DELAY_SECONDS)
