"""Our system as stations of a simulation: how soon it answers and how far it is behind, for a number of each process.

What an event costs is measured (bench/steps.py); the result at rates and sizes that this machine does not have is simulated
(bench/scenarios.py). Left out: networks, bursts beyond random arrivals, the wake-ups, locks between batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from bench.queueing import Gathering, Station, Timeline, arrive, percentile, poisson
from cogento.queue.group_commit import MAX_IN_FLIGHT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

BATCH_EVENTS = 500
PUT_TOGETHER = 1000
TAIL, HALF = 0.99, 0.5


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a resource: the fixed part of a call, and the part of each event in it."""

    call: float
    event: float

    def of(self, events: int) -> float:
        """Seconds for so many events together."""
        return self.call + self.event * events


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What receiving, putting, taking and writing takes: of a receiver, Redis, a worker and Postgres."""

    receive: float
    sync: float
    """Seconds in which Redis answers no caller, once for all callers whose calls it has run."""

    put: Cost
    take: Cost
    work: Cost
    write: Cost
    commit: float
    """Seconds for which a batch waits for disk and answers while it keeps no resource busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many there are of everything."""

    receivers: int = 1
    workers: int = 1
    loops: int = 2
    redis: int = 1
    postgres_cores: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a simulation; `busy` is the busy share of each resource."""

    ack_p50: float
    ack_p99: float
    lag_p50: float
    lag_p99: float
    busy: Mapping[str, float]


class System:
    """Receivers before Redis instances, and the loops of workers between those and Postgres."""

    def __init__(self, costs: Costs, size: Size, timeline: Timeline, chance: Random) -> None:
        self.costs = costs
        self.timeline = timeline
        self.chance = chance
        self.acks: list[float] = []
        self.lags: list[float] = []
        self.receivers = [Receiver(self) for _ in range(size.receivers)]
        self.redis = [Gathering(timeline, round_seconds=costs.sync) for _ in range(size.redis)]
        self.postgres = Station(timeline, servers=size.postgres_cores)
        self.workers = [Station(timeline, servers=1) for _ in range(size.workers)]
        self.waiting: list[list[float]] = [[] for _ in range(size.redis)]
        self._idle = [cpu for cpu in self.workers for _ in range(size.loops)]
        chance.shuffle(self._idle)

    def receive(self) -> None:
        """Have one webhook arrive at some receiver."""
        self.chance.choice(self.receivers).receive()

    def put(self, instance: int, events: Sequence[float]) -> None:
        """Note that events were put into the mailboxes of a Redis instance at these times."""
        self.waiting[instance] += events
        self._wake()

    def _wake(self) -> None:
        while self._idle and any(self.waiting):
            self._take(self._idle.pop())

    def _take(self, cpu: Station) -> None:
        """Take a batch through its steps: claim, work, write, commit, settle."""
        instance = self.chance.choice([i for i, events in enumerate(self.waiting) if events])
        batch = self.waiting[instance][:BATCH_EVENTS]
        del self.waiting[instance][:BATCH_EVENTS]
        redis, costs, number = self.redis[instance], self.costs, len(batch)
        steps: list[Callable[[Callable[[], None]], None]] = [
            lambda then: redis.serve(costs.take.of(number) / 2, then),
            lambda then: cpu.serve(costs.work.of(number), then),
            lambda then: self.postgres.serve(costs.write.of(number), then),
            lambda then: self.timeline.after(costs.commit, then),
            lambda then: redis.serve(costs.take.of(number) / 2, then),
        ]

        def settled() -> None:
            self.lags.extend(self.timeline.now - put for put in batch)
            self._idle.append(cpu)
            self._wake()

        _one_after_the_other(steps, settled)


class Receiver:
    """One process: it reads one request at a time, and has MAX_IN_FLIGHT puts under way, each for all who came together."""

    def __init__(self, system: System) -> None:
        self.cpu = Station(system.timeline, servers=1)
        self._system = system
        self._waiting: list[float] = []
        self._under_way = 0

    def receive(self) -> None:
        """Begin with one webhook."""
        came = self._system.timeline.now
        self.cpu.serve(self._system.costs.receive, lambda: self._wait(came))

    def _wait(self, came: float) -> None:
        self._waiting.append(came)
        if self._under_way < MAX_IN_FLIGHT:
            self._put()

    def _put(self) -> None:
        """Put everybody who waits: one call to each instance, and all of them have to answer."""
        group, self._waiting = self._waiting[:PUT_TOGETHER], self._waiting[PUT_TOGETHER:]
        if not group:
            return
        self._under_way += 1
        shares: dict[int, list[float]] = {}
        for came in group:
            shares.setdefault(self._system.chance.randrange(len(self._system.redis)), []).append(came)
        left = len(shares)

        def answered(instance: int, share: list[float]) -> None:
            nonlocal left
            left -= 1
            self._system.put(instance, [self._system.timeline.now] * len(share))
            if left == 0:
                self._answer(group)

        for instance, share in shares.items():
            seconds = self._system.costs.put.of(len(share))
            self._system.redis[instance].serve(seconds, partial(answered, instance, share))

    def _answer(self, group: Sequence[float]) -> None:
        self._under_way -= 1
        self._system.acks.extend(self._system.timeline.now - came for came in group)
        self._put()


def simulate(costs: Costs, size: Size, *, per_second: float, events: int, seed: int = 1) -> Outcome:
    """Have `events` events arrive at random at a rate, and drain them."""
    timeline, chance = Timeline(), Random(seed)
    system = System(costs, size, timeline, chance)
    arrive(timeline, poisson(chance, per_second=per_second, number=events), system.receive)
    timeline.run()
    return Outcome(
        ack_p50=percentile(system.acks, HALF),
        ack_p99=percentile(system.acks, TAIL),
        lag_p50=percentile(system.lags, HALF),
        lag_p99=percentile(system.lags, TAIL),
        busy={
            "receivers": _busiest([receiver.cpu for receiver in system.receivers]),
            "Redis": _busiest(system.redis),
            "workers": _busiest(system.workers),
            "Postgres": system.postgres.busy_share(),
        },
    )


def drain_rate(costs: Costs, size: Size, *, events: int) -> float:
    """Events a second at which a backlog is settled while nothing arrives."""
    timeline = Timeline()
    system = System(costs, size, timeline, Random(1))
    system.put(0, [0.0] * events)
    timeline.run()
    return events / timeline.now


def _busiest(stations: Sequence[Station | Gathering]) -> float:
    return max(station.busy_share() for station in stations)


def _one_after_the_other(
    steps: Sequence[Callable[[Callable[[], None]], None]], then: Callable[[], None]
) -> None:
    if steps:
        steps[0](lambda: _one_after_the_other(steps[1:], then))
    else:
        then()
