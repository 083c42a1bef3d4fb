"""How soon an event's row is there when all is idle, beside how soon Celery runs a task that does nothing.

    .venv/bin/python -m bench.freshness --events 200 --rounds 3

An event is timed from the 2xx to the row in Postgres, which is polled every half millisecond; a task of Celery, with the same
worker options on the same Valkey, from before it is published to its first line. One after the other, each after a short pause.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import redis

from bench.ground import ground, running
from bench.noop_task import NAME, RAN, make_app
from bench.rounds import medians
from bench.sending import flood, signed_requests
from bench.serving import RECEIVER, served
from bench.working import worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.ground import Ground
    from cogento.local.process import Process

REST_SECONDS = 0.05
LOOK_SECONDS = 0.0005
WARM_UP = 20
ROW_IS_THERE = "SELECT 1 FROM users WHERE last_webhook_event_id = 'evt_%024d'"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    medians(lambda: one_round(arguments.events), rounds=arguments.rounds)


def one_round(events: int) -> dict[str, float]:
    """Medians in ms, and their ratio."""
    with ground() as servers:
        ours = median_ms(events, row_times(servers, events))
        theirs = median_ms(events, task_times(servers))
    return {"row_p50_ms": ours, "task_p50_ms": theirs, "ratio": ours / theirs}


def median_ms(events: int, times: Iterator[float]) -> float:
    """Return the median of that many seconds, in ms, after a warm-up."""
    taken = [next(times) for _ in range(WARM_UP + events)]
    times.close()  # type: ignore[attr-defined]
    return statistics.median(taken[WARM_UP:]) * 1000


def row_times(servers: Ground, events: int) -> Iterator[float]:
    """Seconds from an answer to its row, for one new customer after the other."""
    requests = signed_requests(4 * (WARM_UP + events), customers=2 * (WARM_UP + events))
    with (
        worker(servers),
        served(RECEIVER, servers) as server,
        psycopg.connect(servers.postgres.url, autocommit=True) as connection,
    ):
        for number in range(0, len(requests), 2):  # every other one creates a customer
            time.sleep(REST_SECONDS)
            flood(server.port, requests[number : number + 1])
            yield seconds_until(lambda number=number: is_there(connection, number))  # type: ignore[misc]


def is_there(connection: psycopg.Connection[tuple[object, ...]], number: int) -> bool:
    """Say whether this event's row is visible."""
    query = ROW_IS_THERE % number
    return connection.execute(query.encode()).fetchone() is not None


def seconds_until(holds: Callable[[], bool]) -> float:
    """Poll until it holds, and return the seconds that took."""
    begun = time.perf_counter()
    while not holds():
        time.sleep(LOOK_SECONDS)
    return time.perf_counter() - begun


def task_times(servers: Ground) -> Iterator[float]:
    """Seconds from publishing to running."""
    with (
        celery(servers),
        redis.Redis.from_url(servers.valkey.url) as client,
        make_app(servers.valkey.url) as app,
    ):
        while True:
            time.sleep(REST_SECONDS)
            published = time.time()
            app.send_task(NAME)
            _, ran = client.blpop([RAN], timeout=30)
            yield float(ran) - published


@contextmanager
def celery(servers: Ground) -> Iterator[Process]:
    """Run a worker with our worker's options, on the task that does nothing."""
    argv = (
        sys.executable,
        *("-m", "celery", "--app", "bench.noop_task", "worker", "--pool=threads"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    )
    with running(argv, REDIS_URL=servers.valkey.url) as process:
        yield process


if __name__ == "__main__":
    main()
