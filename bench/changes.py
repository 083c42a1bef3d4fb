"""What it costs to keep and announce changes (CHANGES), measured in turn with and without.

    .venv/bin/python -m bench.changes --events 20000 --rounds 5

First a worker drains full mailboxes: every event changes a row, which is the worst case for announcing. Then the server's part
alone, in one session: 500 rows are updated and committed, again and again. On a shared machine, processor time is steadier than
events a second.
"""

from __future__ import annotations

import argparse
import statistics
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from bench.ground import cpu_seconds, ground
from bench.rounds import medians
from bench.stream import bodies
from bench.working import fill, opened_mailboxes, pace
from cogento.store.migrate import migrate
from tests.support.databases import LIBPQ_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.ground import Ground

ROWS = 4000
ROWS_AT_ONCE = 500
UPDATES = 80
MAKE_ROWS = f"""
    INSERT INTO users (email, stripe_customer_id, metadata, evidence)
    SELECT 'user' || n || '@example.com', 'cus_' || n, '{{"key": "value"}}', repeat('e', 300)::BYTEA
    FROM generate_series(1, {ROWS}) AS n
"""
UPDATE = """
    UPDATE users SET metadata = metadata || jsonb_build_object('turn', %s::INTEGER), synced_at = now()
    WHERE stripe_customer_id = ANY(SELECT 'cus_' || n FROM generate_series(%s::INTEGER, %s::INTEGER) AS n)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--customers", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    medians(lambda: one_round(arguments.events, arguments.customers), rounds=arguments.rounds)


def one_round(events: int, customers: int) -> dict[str, float]:
    """Events per second and processor time of worker and PostgreSQL per event; then the server's per row."""
    stream = list(bodies(events, customers=customers))
    off = one_run(stream, changes=False, listeners=0)
    on = one_run(stream, changes=True, listeners=0)
    heard = one_run(stream, changes=True, listeners=2)
    with ground() as servers:
        row_off, row_on = row_costs(servers)
    return {
        "off_per_s": off[0],
        "on_per_s": on[0],
        "heard_per_s": heard[0],
        "off_us": off[1],
        "on_us": on[1],
        "heard_us": heard[1],
        "changes_per_event": on[2],
        "row_off_us": row_off,
        "row_on_us": row_on,
    }


def one_run(stream: list[bytes], *, changes: bool, listeners: int) -> tuple[float, float, float]:
    """Drain full mailboxes on new servers: events per second, microseconds per event, and changes per event."""
    with ground() as servers, opened_mailboxes(servers) as mailboxes:
        migrate(servers.postgres.url, changes=changes)
        fill(mailboxes, stream)
        with listening(servers.postgres.url, listeners):
            before = cpu_seconds(servers.postgres.pid)
            ours = pace(servers, mailboxes, events=len(stream))
            postgres_us = (cpu_seconds(servers.postgres.pid) - before) / len(stream) * 1e6
        with psycopg.connect(servers.postgres.url, options=LIBPQ_OPTIONS) as connection:
            (kept,) = connection.execute("SELECT count(*) FROM changes").fetchone() or (0,)
    return ours.per_second, ours.cpu_us + postgres_us, kept / len(stream)


@contextmanager
def listening(url: str, listeners: int) -> Iterator[None]:
    """Keep `listeners` sessions that listen, and leave the notifications in the buffers of their connections."""
    sessions = [psycopg.connect(url, autocommit=True) for _ in range(listeners)]
    for session in sessions:
        session.execute("LISTEN cogento_changes")
    try:
        yield
    finally:
        for session in sessions:
            session.close()


def row_costs(servers: Ground) -> tuple[float, float]:
    """Microseconds of a session's processor time for each row that it updates and commits: off and on, in turn."""
    off, on = (prepared(servers, f"changes_{name}", changes=name == "on") for name in ("off", "on"))
    costs: dict[Any, list[float]] = {off: [], on: []}
    for turn in range(UPDATES):
        for session in (off, on) if turn % 2 else (on, off):
            first = turn * ROWS_AT_ONCE % ROWS + 1
            before = session_cpu_us(session)
            session.execute(UPDATE, (turn, first, first + ROWS_AT_ONCE - 1))
            costs[session].append((session_cpu_us(session) - before) / ROWS_AT_ONCE)
    off.close()
    on.close()
    return statistics.median(costs[off]), statistics.median(costs[on])


def prepared(servers: Ground, name: str, *, changes: bool) -> psycopg.Connection[Any]:
    """Make a database with rows to update, and connect to it."""
    with psycopg.connect(servers.postgres.description.url_of("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = servers.postgres.description.url_of(name)
    migrate(url, changes=changes)
    session = psycopg.connect(url, autocommit=True, options=LIBPQ_OPTIONS)
    session.execute(MAKE_ROWS)
    return session


def session_cpu_us(session: psycopg.Connection[Any]) -> float:
    """Processor time of the server's process for a session, to the nanosecond."""
    return int(Path(f"/proc/{session.info.backend_pid}/schedstat").read_text().split()[0]) / 1000


if __name__ == "__main__":
    main()
