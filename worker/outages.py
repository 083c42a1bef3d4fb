"""How a worker waits while Postgres or Redis is away.

An outage is no event's fault: nothing is claimed, so no attempts are spent. While Postgres is away all workers back off
together: they share one circuit in Redis, of which each process has a copy that costs no request while all is well. While Redis
is away each process backs off by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from cogento.queue.circuit import AskCode
from cogento.retries import CIRCUIT, REDIS_CAP_SECONDS, FailureClass, next_delay, probe_pause
from cogento.store.errors import code_of, says_away

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cogento.queue.circuit import Circuit

log = structlog.get_logger()


class LocalCircuit:
    """A process's copy of the shared circuit: says whether it may claim events.

    Closed until a failure. Then it asks the circuit, and again whenever the circuit says so, until it is let through.
    `probe` writes something to Postgres, or raises; `jitter` is uniform in [0, 1). For any number of loops.
    """

    def __init__(
        self, circuit: Circuit, *, probe: Callable[[], Awaitable[object]], jitter: Callable[[], float]
    ) -> None:
        self._circuit = circuit
        self._probe = probe
        self._jitter = jitter
        self._is_closed = True
        self._ask_at_ms = 0
        self._failures = 0
        self._failures_count_until_ms = 0
        self._is_asking = False

    async def may_claim(self) -> bool:
        """Whether to claim events now; probes when the circuit chose this worker."""
        if self._is_closed:
            return True
        if await self._circuit.now_ms() < self._ask_at_ms or self._is_asking:
            return False
        self._is_asking = True
        try:
            self._is_closed = await self._ask()
        finally:
            self._is_asking = False
        return self._is_closed

    async def failed(self, error: BaseException, *, begun_ms: int) -> None:
        """Note that work which began at `begun_ms` failed, not through an event's fault."""
        self._is_closed, self._ask_at_ms = False, 0
        why, errors_limit = code_of(error), 1 if says_away(error) else CIRCUIT.errors_limit
        before = self._failures if await self._circuit.now_ms() < self._failures_count_until_ms else 0
        pause = probe_pause(before + 1, jitter=self._jitter())
        if await self._circuit.failed(
            why, begun_ms=begun_ms, errors_limit=errors_limit, probe_after_seconds=pause
        ):
            log.error("circuit_opened", code=why)

    async def _ask(self) -> bool:
        answer = await self._circuit.ask()
        self._failures = answer.failures
        self._failures_count_until_ms = await self._circuit.now_ms() + int(CIRCUIT.recovery_seconds * 1000)
        if answer.code is AskCode.PROBE:
            return await self._probe_for_all(answer.failures)
        self._ask_at_ms = answer.at_ms
        return answer.code is AskCode.GO

    async def _probe_for_all(self, failures: int) -> bool:
        try:
            await self._probe()
        except Exception as error:  # noqa: BLE001 - whatever it is, events would meet it too
            pause = probe_pause(failures + 1, jitter=self._jitter())
            log.warning("probe_failed", code=code_of(error), again_in_seconds=pause)
            await self._circuit.probed(code_of(error), again_after_seconds=pause)
            return False
        log.info("circuit_recovering")
        await self._circuit.probed(None, again_after_seconds=0)
        return True


class Backoff:
    """Pauses this process's requests for a growing, jittered time after each failure; the first success ends it.

    `clock` is monotonic, `jitter` uniform in [0, 1).
    """

    def __init__(self, *, clock: Callable[[], float], jitter: Callable[[], float]) -> None:
        self._clock = clock
        self._jitter = jitter
        self._failures = 0
        self._until = 0.0

    def is_over(self) -> bool:
        """Whether the pause is over, if there was one."""
        return self._clock() >= self._until

    def failed(self) -> float:
        """Begin a pause, and return its seconds."""
        self._failures += 1
        delay = next_delay(FailureClass.INFRASTRUCTURE, self._failures, jitter=self._jitter())
        delay = min(delay, REDIS_CAP_SECONDS)
        self._until = self._clock() + delay
        return delay

    def succeeded(self) -> None:
        """Note a success: the next pause is the shortest again."""
        self._failures = 0
        self._until = 0.0
