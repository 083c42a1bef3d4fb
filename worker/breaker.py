"""Not taking mail while what it would be written to is away, and coming back one worker after the other.

An outage is no event's fault: nothing is claimed, so nobody's attempts are spent. All workers share one
circuit; here is this process's copy of it, so that a worker asks nobody while all is well.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

import structlog

from cogento.events.retry import CIRCUIT, probe_pause
from cogento.queue.circuit import Answer, AskCode
from cogento.store.errors import code_of, says_away

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()


class Circuit(Protocol):
    """What a breaker asks of the circuit that all workers share."""

    def now_ms(self) -> int:
        """Return the time by the clock of all workers."""

    def ask(self) -> Answer:
        """Ask for a place."""

    def failed(self, why: str, *, begun_ms: int, errors_limit: int, probe_after_seconds: float) -> bool:
        """Count a failure; True when this opened the circuit."""

    def probed(self, failure: str | None, *, again_after_seconds: float) -> None:
        """Report a probe."""


class Breaker:
    """Says whether this process may take mail; `probe` writes something, or raises.

    Closed until a failure. After one it asks the circuit, and again whenever the circuit says, until it is
    let in. For any number of threads.
    """

    def __init__(self, circuit: Circuit, *, probe: Callable[[], object], chance: Callable[[], float]) -> None:
        self._circuit = circuit
        self._probe = probe
        self._chance = chance
        self._is_closed = True
        self._ask_at_ms = 0
        self._failures = 0
        self._failures_count_until_ms = 0
        self._asking = threading.Lock()

    def lets_through(self) -> bool:
        """Whether to take mail now; probes when it is this worker's turn to."""
        if self._is_closed:
            return True
        if self._circuit.now_ms() < self._ask_at_ms or not self._asking.acquire(blocking=False):
            return False
        try:
            self._is_closed = self._ask()
        finally:
            self._asking.release()
        return self._is_closed

    def failed(self, error: BaseException, *, begun_ms: int) -> None:
        """Take down that work which began at `begun_ms` failed, and no event is to blame."""
        self._is_closed, self._ask_at_ms = False, 0
        why, errors_limit = code_of(error), 1 if says_away(error) else CIRCUIT.errors_limit
        before = self._failures if self._circuit.now_ms() < self._failures_count_until_ms else 0
        pause = probe_pause(before + 1, chance=self._chance())
        if self._circuit.failed(why, begun_ms=begun_ms, errors_limit=errors_limit, probe_after_seconds=pause):
            log.error("circuit_opened", code=why)

    def _ask(self) -> bool:
        answer = self._circuit.ask()
        self._failures = answer.failures
        self._failures_count_until_ms = self._circuit.now_ms() + int(CIRCUIT.recovery_seconds * 1000)
        if answer.code is AskCode.PROBE:
            return self._try(answer.failures)
        self._ask_at_ms = answer.at_ms
        return answer.code is AskCode.GO

    def _try(self, failures: int) -> bool:
        """Probe for everybody."""
        try:
            self._probe()
        except Exception as error:  # noqa: BLE001 - whatever it is, mail would meet it too
            pause = probe_pause(failures + 1, chance=self._chance())
            log.warning("probe_failed", code=code_of(error), again_in_seconds=pause)
            self._circuit.probed(code_of(error), again_after_seconds=pause)
            return False
        log.info("circuit_recovering")
        self._circuit.probed(None, again_after_seconds=0)
        return True
