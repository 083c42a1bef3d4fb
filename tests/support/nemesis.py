"""Faults of every kind, in an order that a seed decides, injected into a stack while Stripe keeps sending.

The same seed gives the same faults in the same order with the same pauses; how far the system has come at each fault depends on
the machine. Several faults may overlap: one ends while others begin.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import redis

from cogento.settings import EX_CONFIG
from tests.support import servers
from tests.support.mailbox_harm import HARMS, TAG
from tests.support.power import cut_power

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.local.services import Program
    from tests.support.stack import Stack

PAUSE_SECONDS = 4.0
GAP_SECONDS = 3.0
FREEZE_SECONDS = 3.0
EVICTING_SECONDS = 6.0
START_SECONDS = 20.0
KEPT = (f"{TAG}:event:".encode(), f"{TAG}:aside:".encode())
ROOM_BYTES = 32 * 1024**2
JUMPS = (-86_400, -3_600, -90, 90, 3_600, 86_400)


@dataclass(frozen=True, slots=True)
class Step:
    """One fault: how long after the last one, which, its target and its length; the last two in [0, 1)."""

    pause_seconds: float
    fault: str
    whom: float
    how_long: float


@dataclass(frozen=True, slots=True)
class Mend:
    """How a fault that lasts is ended, and after how many seconds."""

    seconds: float
    do: Callable[[], None]
    refuses: bool = False  # while the fault lasts, and a moment longer, no process of ours may start


Fault = Callable[[Any, Step], Mend | None]
"""A fault: does something to a stack."""


class Nemesis:
    """Injects faults into a stack, in the caller's thread during `spend`; `done` counts them.

    `gave_up` counts the processes that ended by themselves: they are started again, as by a supervisor, but none of these faults
    is a reason to end.
    """

    def __init__(self, stack: Stack, *, seed: int, faults: Mapping[str, Fault] | None = None) -> None:
        self.done: Counter[str] = Counter()
        self.gave_up: Counter[str] = Counter()
        self._stack = stack
        self._faults = FAULTS if faults is None else faults
        self._steps = steps(seed, tuple(self._faults))
        self._plan_next()
        self._later: list[tuple[float, Mend]] = []
        self._may_refuse_until = 0.0

    def spend(self, seconds: float) -> None:
        """Let time pass, and inject the faults that are due."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._mend_what_is_due()
            self._restart_what_gave_up()
            if time.monotonic() >= self._due_at:
                self._do_next()
            time.sleep(0.05)

    def lift(self) -> None:
        """End every fault: frozen processes continue, clocks are right."""
        for _, mend in self._later:
            mend.do()
        self._later.clear()
        self._stack.clock.jump(0)
        self._restart_what_gave_up()

    def _do_next(self) -> None:
        mend = self._faults[self._next.fault](self._stack, self._next)
        self.done[self._next.fault] += 1
        if mend:
            self._later.append((time.monotonic() + mend.seconds, mend))
            if mend.refuses:
                self._may_refuse_until = time.monotonic() + mend.seconds + START_SECONDS
        self._plan_next()

    def _restart_what_gave_up(self) -> None:
        for one in [one for one in self._stack.ours if one.process.exit_code() is not None]:
            is_right = one.process.exit_code() == EX_CONFIG and time.monotonic() < self._may_refuse_until
            self.gave_up.update([] if is_right else [one.description.name])
            one.launch()

    def _plan_next(self) -> None:
        self._next = next(self._steps)
        self._due_at = time.monotonic() + self._next.pause_seconds

    def _mend_what_is_due(self) -> None:
        now = time.monotonic()
        for _, mend in [entry for entry in self._later if entry[0] <= now]:
            mend.do()
        self._later = [entry for entry in self._later if entry[0] > now]


def kill_worker(stack: Stack, step: Step) -> None:
    worker = _some_worker(stack, step)
    worker.kill()
    worker.launch()


def kill_receiver(stack: Stack, step: Step) -> None:
    stack.receiver.kill()
    time.sleep(GAP_SECONDS * step.how_long)
    stack.receiver.launch()


def freeze_worker(stack: Stack, step: Step) -> Mend:
    """Freeze a worker for longer than its lease, so that another takes over before it continues."""
    worker = _some_worker(stack, step)
    worker.freeze()
    return Mend(stack.lease_seconds + 1 + FREEZE_SECONDS * step.how_long, worker.thaw)


def kill_valkey(stack: Stack, step: Step) -> None:
    stack.valkey.kill()
    _start_after_a_gap(stack.valkey, step)


def restart_valkey(stack: Stack, step: Step) -> None:
    stack.valkey.stop()
    _start_after_a_gap(stack.valkey, step)


def cut_power_of_valkey(stack: Stack, step: Step) -> None:
    cut_power(stack.valkey)
    _start_after_a_gap(stack.valkey, step)


def freeze_valkey(stack: Stack, step: Step) -> Mend:
    stack.valkey.freeze()
    return Mend(FREEZE_SECONDS * step.how_long, stack.valkey.thaw)


def cut_connections_to_valkey(stack: Stack, _step: Step) -> None:
    stack.valkey.thaw()
    with redis.Redis.from_url(stack.valkey.url) as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def restart_postgres_fast(stack: Stack, step: Step) -> None:
    _restart_postgres(stack, step, signal.SIGINT)


def restart_postgres_immediately(stack: Stack, step: Step) -> None:
    _restart_postgres(stack, step, signal.SIGQUIT)


def freeze_postgres(stack: Stack, step: Step) -> Mend:
    stack.postgres.freeze()
    return Mend(FREEZE_SECONDS * step.how_long, stack.postgres.thaw)


def cut_connections_to_postgres(stack: Stack, _step: Step) -> None:
    stack.postgres.thaw()
    with psycopg.connect(stack.postgres.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )


def make_clocks_jump(stack: Stack, step: Step) -> None:
    """Set the wall clock of every worker forward or back while it works."""
    stack.clock.jump(JUMPS[int(step.whom * len(JUMPS))])


def lose_a_key(stack: Stack, step: Step) -> None:
    """Delete or overwrite one random key of the mailboxes, but not that of an event, which could not be restored."""
    stack.valkey.thaw()
    with redis.Redis.from_url(stack.valkey.url) as client:
        found = sorted(key for key in client.scan_iter(f"{TAG}:*", count=1000) if not key.startswith(KEPT))
        harm = HARMS[int(step.how_long * len(HARMS))]
        for key in found[int(step.whom * len(found)) :][:1]:
            harm(client, key.decode())


def let_valkey_evict(stack: Stack, step: Step) -> Mend:
    """Allow it to evict waiting events, with a limit that events would soon reach if they were still stored."""
    stack.valkey.thaw()
    with redis.Redis.from_url(stack.valkey.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + ROOM_BYTES)
    return Mend(EVICTING_SECONDS * step.how_long, lambda: _forbid_eviction(stack), refuses=True)


def _forbid_eviction(stack: Stack) -> None:
    stack.valkey.thaw()
    with redis.Redis.from_url(stack.valkey.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 0)


FAULTS: Mapping[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill_worker,
        kill_receiver,
        freeze_worker,
        kill_valkey,
        restart_valkey,
        cut_power_of_valkey,
        freeze_valkey,
        cut_connections_to_valkey,
        restart_postgres_fast,
        restart_postgres_immediately,
        freeze_postgres,
        cut_connections_to_postgres,
        make_clocks_jump,
        lose_a_key,
        let_valkey_evict,
    )
}


def steps(seed: int, faults: Sequence[str] = tuple(FAULTS)) -> Iterator[Step]:
    """Yield the faults of a seed, without end."""
    chance = random.Random(seed)
    while True:
        pause = chance.uniform(0, 2 * PAUSE_SECONDS)
        yield Step(pause, chance.choice(faults), chance.random(), chance.random())


def _restart_postgres(stack: Stack, step: Step, how: signal.Signals) -> None:
    stack.postgres.thaw()
    stack.postgres.process.send(how)
    assert stack.postgres.process.wait(servers.STOP_SECONDS), f"Postgres did not end on {how.name}"
    _start_after_a_gap(stack.postgres, step)


def _start_after_a_gap(server: servers.RunningServer[servers.S], step: Step) -> None:
    time.sleep(GAP_SECONDS * step.how_long)
    server.start()


def _some_worker(stack: Stack, step: Step) -> servers.Running[Program]:
    return stack.workers[int(step.whom * len(stack.workers))]
