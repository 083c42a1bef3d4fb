"""Starts processes in tiers, restarts what dies, and stops everything in time.

Which processes there are is data (`Service`); this knows none of them by name. It has no thread: call
`tend` every now and then from the thread that started the children, since they end with that thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cogento.local.errors import LocalError
from cogento.local.process import Process
from cogento.local.service import START_SECONDS, await_answer, describe_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cogento.local.service import Service

STOP_SECONDS = 8.0  # what does not heed then gets a last chance
RESERVED_SECONDS = 2.0  # of these, for each tier that stops later
FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 10.0
STEADY_SECONDS = 30.0  # alive this long, a process has earned a restart at once


@dataclass(slots=True)
class Ward:
    """A service in the supervisor's care; without a process it waits for its next start."""

    service: Service
    process: Process | None = None
    started_at: float = 0.0
    start_again_at: float = 0.0
    short_lives: int = 0


@dataclass(slots=True)
class Supervisor:
    """Cares for the services it started; `say` gets one line for each thing worth knowing."""

    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    stop_seconds: float = STOP_SECONDS
    _tiers: list[list[Ward]] = field(default_factory=list)

    @property
    def pids(self) -> dict[str, int]:
        """Name → process id of everything that runs."""
        return {ward.service.name: ward.process.pid for ward in self._wards() if ward.process}

    def start(self, services: Sequence[Service]) -> None:
        """Start a tier and return once all of it answers; tiers stop in the reverse order.

        Raises StartError naming the process and its last log lines; `stop` then stops the rest.
        """
        tier = [Ward(service) for service in services]
        self._tiers.append(tier)
        deadline = self.clock() + START_SECONDS
        for service, process in [(ward.service, self._launch(ward)) for ward in tier]:
            await_answer(service, process, seconds=deadline - self.clock())

    def tend(self) -> bool:
        """Restart what has ended and is due; return whether a process id came or went."""
        before = self.pids
        for ward in self._wards():
            if ward.process and ward.process.exit_code() is not None:
                self._mourn(ward, ward.process)
            if ward.process is None and self.clock() >= ward.start_again_at:
                self._restart(ward)
        return self.pids != before

    def stop(self) -> None:
        """Stop everything, last tier first, in `stop_seconds`; what does not heed is killed."""
        deadline = self.clock() + self.stop_seconds
        while self._tiers:
            running = [ward.process for ward in self._tiers[-1] if ward.process]
            for process in running:
                process.ask_to_stop()
            ours = deadline - RESERVED_SECONDS * (len(self._tiers) - 1)
            for process in running:
                process.end(within_seconds=max(0.0, ours - self.clock()))
            self._tiers.pop()

    def hurry(self) -> None:
        """End everything now; a `stop` that is under way then has nothing left to wait for."""
        for ward in self._wards():
            if ward.process:
                ward.process.send(ward.process.command.death_signal)

    def _wards(self) -> Iterator[Ward]:
        return (ward for tier in self._tiers for ward in tier)

    def _launch(self, ward: Ward) -> Process:
        ward.process = Process(ward.service.prepare())
        ward.started_at = self.clock()
        return ward.process

    def _mourn(self, ward: Ward, process: Process) -> None:
        """Say how a process ended, end the children it left behind, and plan its next start."""
        self.say(f"{ward.service.name} {describe_end(process, ward.service.name)}")
        process.kill()
        lived = self.clock() - ward.started_at
        self._plan_start(ward, short_lives=0 if lived > STEADY_SECONDS else ward.short_lives + 1)

    def _plan_start(self, ward: Ward, *, short_lives: int) -> None:
        ward.process, ward.short_lives = None, short_lives
        ward.start_again_at = self.clock() + restart_delay(short_lives)

    def _restart(self, ward: Ward) -> None:
        try:
            process = self._launch(ward)
        except LocalError as error:
            self.say(f"{ward.service.name} can't start: {error}")
            self._plan_start(ward, short_lives=ward.short_lives + 1)
        else:
            self.say(f"{ward.service.name} started again (process {process.pid})")


def restart_delay(short_lives: int) -> float:
    """Return the seconds to wait before a start, after so many short lives in a row."""
    if short_lives == 0:
        return 0.0
    return min(FIRST_DELAY_SECONDS * 2.0 ** (short_lives - 1), LONGEST_DELAY_SECONDS)
