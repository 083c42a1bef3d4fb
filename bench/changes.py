"""What it costs a worker that changes are kept and announced: with CHANGES off and on in turn, nobody and somebody listening.

    .venv/bin/python -m bench.changes --events 20000 --rounds 5

Every event of the stream changes a row, which is the most there is to announce. Processor time is that of the worker and
of PostgreSQL together.
"""

from __future__ import annotations

import argparse
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from bench.ground import cpu_seconds, ground
from bench.rounds import medians
from bench.stream import bodies
from bench.working import fill, opened_mailboxes, pace
from cogento.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--customers", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    medians(lambda: one_round(arguments.events, arguments.customers), rounds=arguments.rounds)


def one_round(events: int, customers: int) -> dict[str, float]:
    """Events per second, and processor time per event, off and on; and the changes per event."""
    stream = list(bodies(events, customers=customers))
    off = one_run(stream, changes=False, listeners=0)
    on = one_run(stream, changes=True, listeners=0)
    heard = one_run(stream, changes=True, listeners=2)
    return {
        "off_per_s": off[0],
        "on_per_s": on[0],
        "heard_per_s": heard[0],
        "on_over_off": on[0] / off[0],
        "heard_over_off": heard[0] / off[0],
        "off_us": off[1],
        "on_us": on[1],
        "heard_us": heard[1],
        "changes_per_event": on[2],
    }


def one_run(stream: list[bytes], *, changes: bool, listeners: int) -> tuple[float, float, float]:
    """Drain full mailboxes on new servers: events per second, microseconds per event, and changes per event."""
    with ground() as servers, opened_mailboxes(servers) as mailboxes:
        if changes:
            migrate(servers.postgres.url, changes=True)
        fill(mailboxes, stream)
        with listening(servers.postgres.url, listeners):
            before = cpu_seconds(servers.postgres.pid)
            ours = pace(servers, mailboxes, events=len(stream))
            postgres_us = (cpu_seconds(servers.postgres.pid) - before) / len(stream) * 1e6
        with psycopg.connect(servers.postgres.url) as connection:
            (kept,) = connection.execute("SELECT count(*) FROM cogento_internal.changes").fetchone() or (0,)
    return ours.per_second, ours.cpu_us + postgres_us, kept / len(stream)


@contextmanager
def listening(url: str, listeners: int) -> Iterator[None]:
    """Keep so many sessions that listen, and leave what they hear to the buffers of their connections."""
    sessions = [psycopg.connect(url, autocommit=True) for _ in range(listeners)]
    for session in sessions:
        session.execute("LISTEN cogento_changes")
    try:
        yield
    finally:
        for session in sessions:
            session.close()


if __name__ == "__main__":
    main()
