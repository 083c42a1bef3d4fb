"""Figures of a quiet system with one worker, so that a test shows only what matters to it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from cogento.queue.checks import ServerFacts
from cogento.queue.durability import AckDurability, DurabilityMechanism
from cogento.queue.figures import QueueFigures
from cogento.queue.shard_move import ShardCount
from cogento.queue.worker_registry import SeenWorker, Workforce
from cogento.store.figures import TableFigures
from cogento.store.letter_records import LetterCount, LetterStatus
from cogento.store.progress import SweepStatus

NOW_MS = 1_760_000_000_000
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)

WORKER = SeenWorker(
    slot=0,
    worker="host:1",
    version="1.0",
    started_ms=NOW_MS - 60_000,
    beat_ms=NOW_MS - 2_000,
    took_ms=NOW_MS - 3_000,
    is_alive=True,
)
SERVER = ServerFacts(
    name="valkey",
    version="9.1",
    role="master",
    maxmemory_policy="noeviction",
    maxmemory_bytes=1000,
    used_memory_bytes=250,
    appendonly=True,
    appendfsync="always",
    ack=AckDurability.REDIS_FSYNC,
    ack_means=DurabilityMechanism.FSYNC_ALWAYS,
)


def worker(slot: int = 0, **fields: Any) -> SeenWorker:
    return replace(WORKER, slot=slot, **fields)


def workforce(*workers: SeenWorker) -> Workforce:
    return Workforce(workers, NOW_MS)


def queue_figures(**fields: Any) -> QueueFigures:
    figures = QueueFigures(
        received_total=100,
        settled_total=100,
        repaired_total=3,
        lost_total=0,
        waiting=0,
        ready=7,
        leased=0,
        sleeping=0,
        parked=0,
        paused=0,
        everything_paused=False,
        oldest_event_age_seconds=None,
        oldest_paused_age_seconds=None,
        waits_for={},
        kept_out=None,
        bad_signatures=0,
        key_refused=False,
        shards=ShardCount(1, 1),
        workforce=workforce(WORKER),
        counters={},
        server=SERVER,
    )
    return replace(figures, **fields)


def letters(
    count: int, *, status: LetterStatus = LetterStatus.OPEN, class_: str = "bug", removals: int = 0
) -> LetterCount:
    return LetterCount(status, class_, count, removals, NOON)


SWEPT = SweepStatus(watermark=900, finished=950, now=1000, missing=7, awaited=2)


def table_figures(**fields: Any) -> TableFigures:
    figures = TableFigures(
        outcomes={"applied": 90},
        letters=(),
        oldest_letter_age_seconds=None,
        unsure=0,
        to_ask=0,
        sweeping=SWEPT,
        revision="0001",
    )
    return replace(figures, **fields)
