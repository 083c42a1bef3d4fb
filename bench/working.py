"""A worker process at work on full mailboxes, and how fast it is."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from bench.ground import cpu_seconds, running
from cogento.events.envelope import parse_envelope
from cogento.local.services import ROOT
from cogento.queue.durability import AckDurability
from tests.support.looped import LoopedMailboxes
from tests.support.whole_system import WORKER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bench.ground import Ground
    from cogento.local.process import Process

PUT_TOGETHER = 200
NOW = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """Events per second of wall time, and microseconds of the worker's CPU time per event."""

    per_second: float
    cpu_us: float


@contextmanager
def opened_mailboxes(servers: Ground) -> Iterator[LoopedMailboxes]:
    """Open the mailboxes without a durability level: this process only fills them."""
    mailboxes = LoopedMailboxes.connect(servers.valkey.url, ack=AckDurability.REDIS)
    try:
        yield mailboxes
    finally:
        mailboxes.close()


def fill(mailboxes: LoopedMailboxes, stream: Iterable[bytes]) -> None:
    """Put all events of a stream."""
    envelopes = (parse_envelope(body, now=NOW) for body in stream)
    while together := list(islice(envelopes, PUT_TOGETHER)):
        mailboxes.put(together)


def pace(servers: Ground, mailboxes: LoopedMailboxes, *, events: int) -> Pace:
    """Start a worker and time how it settles the next `events` events; its start-up is not counted."""
    with worker(servers) as process:
        full = mailboxes.status().waiting
        while (left := mailboxes.status().waiting) == full:
            time.sleep(0.005)
        begun, cpu, end = time.perf_counter(), cpu_seconds(process.pid), full - events
        while (now_left := mailboxes.status().waiting) > end:
            time.sleep(0.005)
        done = left - now_left
        return Pace(done / (time.perf_counter() - begun), (cpu_seconds(process.pid) - cpu) / done * 1e6)


@contextmanager
def worker(servers: Ground, **settings: str) -> Iterator[Process]:
    """Run one worker process, with default settings where none are given."""
    environment = {"DATABASE_URL": servers.postgres.url, "REDIS_URL": servers.valkey.url, **settings}
    with running(WORKER, folder=ROOT, **environment) as process:
        yield process
