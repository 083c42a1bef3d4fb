"""Several workers at once on one backlog: does an event cost each resource as much as it does with one?

    .venv/bin/python -m bench.crew --workers 3 --loops 2

The workers wait before a pause until all are there; what is measured begins when it ends. Rates mean little where
cores are fewer than processes; CPU time of an event is what to read.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import redis

from bench.ground import cpu_seconds, ground
from bench.metering import queued_seconds
from bench.stream import bodies
from bench.working import fill, worker
from mailboxes.durability import AckDurability
from mailboxes.mailboxes import Mailboxes
from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.ground import Ground
    from local.process import Process

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
        mailboxes.pause()
        fill(mailboxes, bodies(events, customers=events // 5))
        with at_work(servers, crew) as processes:
            await_all(mailboxes, crew.workers)
            before = spent(servers, processes)
            mailboxes.resume()
            seconds = time_to_empty(mailboxes)
            after = spent(servers, processes)
            connections = number(servers.postgres.url, CONNECTIONS)
        used = {name: (after[name] - before[name]) / events for name in before}
        return {"per_s": events / seconds, "connections": connections, **used}


def side_by_side(events: int, crew: Crew) -> dict[str, float]:
    """Two whole deployments at once, each with its own Redis and Postgres; the mean of both."""
    with ThreadPoolExecutor(2) as both:
        one, other = both.map(lambda _: drained(events, crew), range(2))
    return {name: (one[name] + other[name]) / 2 for name in one}


@contextmanager
def opened_mailboxes(servers: Ground, crew: Crew) -> Iterator[Mailboxes]:
    """The crew's mailboxes."""
    mailboxes = Mailboxes.connect(servers.valkey.url, shards=crew.shards, ack=AckDurability.REDIS)
    try:
        yield mailboxes
    finally:
        mailboxes.close()


@contextmanager
def at_work(servers: Ground, crew: Crew) -> Iterator[list[Process]]:
    """All workers, started."""
    with ExitStack() as stack:
        yield [stack.enter_context(worker(servers, **crew.settings)) for _ in range(crew.workers)]


def await_all(mailboxes: Mailboxes, workers: int) -> None:
    """Wait until all of them look for mail."""
    seen = mailboxes.heartbeats.seen
    wait_until(lambda: len(seen()) == workers, what=f"{workers} workers to beat", seconds=START_SECONDS)


def time_to_empty(mailboxes: Mailboxes) -> float:
    """Seconds until nothing waits; a look costs Valkey little, and there are few."""
    begun = time.perf_counter()
    while mailboxes.status().waiting:
        time.sleep(LOOK_SECONDS)
        if time.perf_counter() > begun + DRAIN_SECONDS:
            raise TimeoutError("the mailboxes did not become empty")
    return time.perf_counter() - begun


def spent(servers: Ground, processes: list[Process]) -> dict[str, float]:
    """Microseconds of CPU and bytes so far."""
    with redis.Redis.from_url(servers.valkey.url) as client:
        aof = client.info("persistence")["aof_current_size"]
    pids = (servers.valkey.pid, servers.postgres.pid, *(process.pid for process in processes))
    return {
        "queued_us": sum(map(queued_seconds, pids)) * 1e6,
        "worker_us": sum(cpu_seconds(process.pid) for process in processes) * 1e6,
        "valkey_us": cpu_seconds(servers.valkey.pid) * 1e6,
        "postgres_us": cpu_seconds(servers.postgres.pid) * 1e6,
        "wal_bytes": number(servers.postgres.url, "SELECT pg_current_wal_lsn() - '0/0'"),
        "aof_bytes": float(aof),
    }


def number(database_url: str, query: str) -> float:
    """Ask for one number."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    assert row
    return float(row[0])


if __name__ == "__main__":
    main()
