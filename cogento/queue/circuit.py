"""The circuit of something that workers write to: open while it is away, the same for every worker.

It is kept in Redis, so that one worker probes for all, and they return one after the other. Knows times and counts; does not
know what is away, nor how it is probed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from cogento.queue.keys import circuit_key
from cogento.queue.redis_commands import Call
from cogento.retries import CIRCUIT

if TYPE_CHECKING:
    from cogento.queue.clock import RedisClock
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Argument, Reply


class Dependency(StrEnum):
    """What a worker needs besides Redis."""

    POSTGRES = "postgres"


class AskCode(IntEnum):
    """The return codes of circuit_ask.lua."""

    GO = 1
    WAIT = 2
    PROBE = 3


@dataclass(frozen=True, slots=True)
class CircuitDecision:
    """What a worker may do: claim, wait (and ask again at `at_ms`), or probe for all.

    `failures` counts in a row how often the dependency was found to be away.
    """

    code: AskCode
    at_ms: int
    failures: int


@dataclass(frozen=True, slots=True)
class OpenCircuit:
    """A dependency that has been away since `since_ms`, or is `recovering`; `why` is an SQLSTATE or a kind of error."""

    dependency: Dependency
    since_ms: int
    why: str
    recovering: bool
    probe_ms: int


class Circuit:
    """One dependency's circuit; raises MailboxUnavailable like everything that asks Redis."""

    def __init__(self, server: RedisClient, clock: RedisClock, *, tag: str, dependency: Dependency) -> None:
        self._server = server
        self._clock = clock
        self._tag = tag
        self._dependency = dependency

    async def now_ms(self) -> int:
        """Return the time by the clock of all workers."""
        return await self._clock.now_ms()

    async def ask(self) -> CircuitDecision:
        """Ask what this worker may do; one worker at a time is told to probe, and reports with `probed`."""
        times = (CIRCUIT.probe_seconds, CIRCUIT.step_seconds, CIRCUIT.forgotten_seconds)
        code, at_ms, failures = await self._run("circuit_ask", *map(_ms, times))
        return CircuitDecision(AskCode(code), at_ms, failures)

    async def failed(self, why: str, *, begun_ms: int, errors_limit: int, probe_after_seconds: float) -> bool:
        """Count a failure of work that began at `begun_ms`; True when this opened the circuit.

        It opens at `errors_limit` failures within the window, and is then probed after that time.
        """
        window_ms, forgotten_ms = _ms(CIRCUIT.window_seconds), _ms(CIRCUIT.forgotten_seconds)
        probe_ms = await self.now_ms() + _ms(probe_after_seconds)
        terms = (begun_ms, errors_limit, window_ms, probe_ms, forgotten_ms, why)
        return bool(await self._run("circuit_failed", *terms))

    async def probed(self, failure: str | None, *, again_after_seconds: float) -> None:
        """Report a probe: what it failed with, or None when workers may come back, this one first."""
        if failure is None:
            await self._run("circuit_probed", 0, _ms(CIRCUIT.recovery_seconds), "")
        else:
            again_ms = await self.now_ms() + _ms(again_after_seconds)
            await self._run("circuit_probed", again_ms, _ms(CIRCUIT.forgotten_seconds), failure)

    async def read(self) -> OpenCircuit | None:
        """Return the circuit's state for people; None when it is closed."""
        found = await self._server.ask("HGETALL", circuit_key(self._tag, self._dependency))
        if b"opened" not in found:
            return None
        return OpenCircuit(
            dependency=self._dependency,
            since_ms=int(found[b"opened"]),
            why=found[b"why"].decode(),
            recovering=b"recovered" in found,
            probe_ms=int(found.get(b"probe", 0)),
        )

    async def _run(self, script: str, *terms: Argument) -> Reply:
        call = Call(script, self._tag, (await self.now_ms(), self._dependency, *terms))
        return (await self._server.run(call))[0]


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
