"""A worker's heartbeat: which loops send it, how often, and what it reports."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from cogento.queue.errors import MailboxUnavailable
from cogento.queue.worker_registry import Heartbeat
from worker.heartbeat import WorkerHeartbeat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.queue.worker_registry import WorkerRegistry

NOW_MS = 1_760_000_000_000


@dataclass
class FakeHeartbeats:
    """Remembers what a worker told."""

    beats: list[Heartbeat] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    is_away: bool = False

    async def beat(self, beat: Heartbeat, delays: Mapping[str, int]) -> None:  # noqa: ARG002 - the port's signature
        if self.is_away:
            raise MailboxUnavailable("away")
        self.beats.append(beat)

    async def unregister(self, worker: str) -> None:
        self.left.append(worker)


async def now_ms() -> int:
    return NOW_MS


@dataclass
class Seconds:
    """A clock that only the test moves."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def heartbeats() -> FakeHeartbeats:
    return FakeHeartbeats()


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def heartbeat(heartbeats: FakeHeartbeats, clock: Seconds) -> WorkerHeartbeat:
    return WorkerHeartbeat(
        cast("WorkerRegistry", heartbeats),
        worker="host:1",
        version="2.0",
        shards=12,
        now_ms=now_ms,
        clock=clock,
    )


def test_the_first_look_for_work_is_a_beat(heartbeat: WorkerHeartbeat, heartbeats: FakeHeartbeats) -> None:
    asyncio.run(heartbeat.beat())
    assert heartbeats.beats == [Heartbeat("host:1", "2.0", NOW_MS, None, 12)]


def test_it_beats_every_five_seconds_however_often_loops_look(
    heartbeat: WorkerHeartbeat, heartbeats: FakeHeartbeats, clock: Seconds
) -> None:
    asyncio.run(heartbeat.beat())
    clock.now += 4.9
    asyncio.run(heartbeat.beat())
    assert len(heartbeats.beats) == 1
    clock.now += 0.1
    asyncio.run(heartbeat.beat())
    assert len(heartbeats.beats) == 2


def test_a_settled_turn_is_told_with_the_next_beat(
    heartbeat: WorkerHeartbeat, heartbeats: FakeHeartbeats, clock: Seconds
) -> None:
    asyncio.run(heartbeat.settled([], []))
    asyncio.run(heartbeat.beat())
    assert heartbeats.beats[0].took_ms == NOW_MS


def test_what_could_not_be_told_is_told_five_seconds_later(
    heartbeat: WorkerHeartbeat, heartbeats: FakeHeartbeats, clock: Seconds
) -> None:
    heartbeats.is_away = True
    asyncio.run(heartbeat.beat())
    heartbeats.is_away = False
    asyncio.run(heartbeat.beat())
    assert not heartbeats.beats
    clock.now += 5
    asyncio.run(heartbeat.beat())
    assert len(heartbeats.beats) == 1


def test_a_worker_that_stops_tells_the_rest_and_leaves(
    heartbeat: WorkerHeartbeat, heartbeats: FakeHeartbeats
) -> None:
    asyncio.run(heartbeat.beat())
    asyncio.run(heartbeat.settled([], []))
    asyncio.run(heartbeat.stop())
    assert [beat.took_ms for beat in heartbeats.beats] == [None, NOW_MS]
    assert heartbeats.left == ["host:1"]
