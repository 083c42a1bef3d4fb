"""How fast a worker empties full mailboxes, beside a bare program that writes the same rows.

    .venv/bin/python -m bench.drain --events 20000 --rounds 3

Each round fills the mailboxes, starts one worker process and times it from its first settled batch to its last;
then the bare program reads and writes the same events in batches of the same size, to another database of the same
server.
"""

from __future__ import annotations

import argparse
import asyncio

import psycopg

from bench import bare
from bench.ground import Ground, ground
from bench.rounds import medians
from bench.stream import bodies
from bench.working import fill, opened_mailboxes, pace
from cogento.store.migrate import migrate

BATCH_EVENTS = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--customers", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    medians(lambda: one_round(arguments.events, arguments.customers), rounds=arguments.rounds)


def one_round(events: int, customers: int) -> dict[str, float]:
    """Events per second of the worker and of the bare program, and the worker's CPU time per event."""
    stream = list(bodies(events, customers=customers))
    with ground() as servers, opened_mailboxes(servers) as mailboxes:
        fill(mailboxes, stream)
        ours = pace(servers, mailboxes, events=events)
        theirs = events / asyncio.run(bare.write(another_database(servers), stream, size=BATCH_EVENTS))
    return {
        "worker_per_s": ours.per_second,
        "bare_per_s": theirs,
        "ratio": ours.per_second / theirs,
        "worker_us_per_event": ours.cpu_us,
    }


def another_database(servers: Ground) -> str:
    """Make and migrate another database of the same server, and return its URL."""
    with psycopg.connect(servers.postgres.description.url_of("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE bare")
    url = servers.postgres.description.url_of("bare")
    migrate(url)
    return url


if __name__ == "__main__":
    main()
