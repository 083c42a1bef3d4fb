"""Several workers at once on one backlog: does an event cost each resource as much as with one worker?

    .venv/bin/python -m bench.crew --workers 3 --loops 2

Everything is paused until all workers are there; the measurement begins with the resume. Rates mean little where there are fewer
cores than processes; read the CPU time of an event.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import psycopg
import redis

from bench.ground import cpu_seconds, ground
from bench.stream import bodies
from bench.working import fill, worker
from cogento.queue.durability import AckDurability
from tests.support.databases import LIBPQ_OPTIONS
from tests.support.looped import LoopedMailboxes
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bench.ground import Ground
    from cogento.local.process import Process

WARM_UP = 4_000
START_SECONDS, DRAIN_SECONDS, LOOK_SECONDS = 60, 300, 0.02
CONNECTIONS = """
SELECT count(*)
FROM pg_stat_activity
WHERE application_name LIKE 'cogento worker%'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """How many workers, how many drain loops each, and their settings that matter here."""

    workers: int = 1
    loops: int = 2
    batch_events: int = 500
    shards: int = 1

    @property
    def settings(self) -> Mapping[str, str]:
        """Environment variables of each worker."""
        return {
            "WORKER_CONCURRENCY": str(self.loops),
            "BATCH_EVENTS": str(self.batch_events),
            "MAILBOX_SHARDS": str(self.shards),
            "LOG_LEVEL": "WARNING",
        }


CREWS = {
    "1 worker, 1 loop": Crew(loops=1),
    "1 worker, 2 loops": Crew(),
    "1 worker, 4 loops": Crew(loops=4),
    "2 workers, 2 loops": Crew(workers=2),
    "3 workers, 2 loops": Crew(workers=3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=12_000)
    for name, default in (("workers", 1), ("loops", 2), ("batch-events", 500), ("shards", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = vars(parser.parse_args())
    print(json.dumps(drained(given.pop("events"), Crew(**given))))


def drained(events: int, crew: Crew) -> dict[str, float]:
    """Events a second, microseconds and bytes of an event, and connections to Postgres."""
    with ground() as servers, opened_mailboxes(servers, crew) as mailboxes:
        stream = bodies(WARM_UP + events, customers=(WARM_UP + events) // 5)
        with at_work(servers, crew) as processes:
            warm_up(mailboxes, islice(stream, WARM_UP), crew)
            fill(mailboxes, stream)
            before = spent(servers, processes)
            mailboxes.resume()
            per_second = rate_to_empty(mailboxes, events)
            after = spent(servers, processes)
            connections = number(servers.postgres.url, CONNECTIONS)
        used = {name: (after[name] - before[name]) / events for name in before}
        return {"per_s": per_second, "connections": connections, **used}


def side_by_side(events: int) -> dict[str, float]:
    """Two whole deployments at once, each with its own Redis and Postgres, one worker each; the mean of both."""
    command = (sys.executable, "-m", "bench.crew", "--events", str(events))
    both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    one, other = (json.loads(process.communicate()[0]) for process in both)
    return {name: (one[name] + other[name]) / 2 for name in one}


@contextmanager
def opened_mailboxes(servers: Ground, crew: Crew) -> Iterator[LoopedMailboxes]:
    """The crew's mailboxes."""
    mailboxes = LoopedMailboxes.connect(servers.valkey.url, shards=crew.shards, ack=AckDurability.REDIS)
    try:
        yield mailboxes
    finally:
        mailboxes.close()


@contextmanager
def at_work(servers: Ground, crew: Crew) -> Iterator[list[Process]]:
    """All workers, started."""
    with ExitStack() as stack:
        yield [stack.enter_context(worker(servers, **crew.settings)) for _ in range(crew.workers)]


def warm_up(mailboxes: LoopedMailboxes, stream: Iterable[bytes], crew: Crew) -> None:
    """Have everybody connect, prepare statements and drain a little; then pause."""
    mailboxes.pause()
    fill(mailboxes, stream)
    await_all(mailboxes, crew.workers)
    mailboxes.resume()
    await_fewer(mailboxes, 1)
    mailboxes.pause()


def await_all(mailboxes: LoopedMailboxes, workers: int) -> None:
    """Wait until all of them look for events."""
    seen = mailboxes.workers.seen
    wait_until(lambda: len(seen()) == workers, what=f"{workers} workers to beat", seconds=START_SECONDS)


def rate_to_empty(mailboxes: LoopedMailboxes, full: int) -> float:
    """Return events a second from the first settled batch to the last; polling costs Valkey little, and is rare."""
    await_fewer(mailboxes, full)
    begun, left = time.perf_counter(), mailboxes.status().waiting
    await_fewer(mailboxes, 1)
    return left / (time.perf_counter() - begun)


def await_fewer(mailboxes: LoopedMailboxes, events: int) -> None:
    """Wait until fewer than `events` events wait."""
    deadline = time.perf_counter() + DRAIN_SECONDS
    while mailboxes.status().waiting >= events:
        time.sleep(LOOK_SECONDS)
        if time.perf_counter() > deadline:
            raise TimeoutError("the mailboxes did not become empty")


def spent(servers: Ground, processes: list[Process]) -> dict[str, float]:
    """Microseconds of CPU and bytes so far."""
    with redis.Redis.from_url(servers.valkey.url) as client:
        aof = client.info("persistence")["aof_current_size"]
    return {
        "worker_us": sum(cpu_seconds(process.pid) for process in processes) * 1e6,
        "valkey_us": cpu_seconds(servers.valkey.pid) * 1e6,
        "postgres_us": cpu_seconds(servers.postgres.pid) * 1e6,
        "wal_bytes": number(servers.postgres.url, "SELECT pg_current_wal_lsn() - '0/0'"),
        "aof_bytes": float(aof),
    }


def number(database_url: str, query: str) -> float:
    """Ask for one number."""
    with psycopg.connect(database_url, autocommit=True, options=LIBPQ_OPTIONS) as connection:
        row = connection.execute(query).fetchone()
    assert row
    return float(row[0])


if __name__ == "__main__":
    main()
