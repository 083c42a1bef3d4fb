"""How fast a worker empties full mailboxes, beside a bare program that writes the same rows.

    .venv/bin/python -m bench.drain --events 20000 --rounds 3

Each round fills the mailboxes, starts one worker process and times it from its first settled batch to its last;
then the bare program reads and writes the same events in batches of the same size, to another database of the same server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from bench import bare
from bench.ground import cpu_seconds, ground
from bench.stream import bodies
from events.envelope import open_envelope
from local.process import Command, Process
from local.program import ROOT
from mailboxes.durability import AckDurability
from mailboxes.mailboxes import Mailboxes
from schema.migrate import migrate
from tests.whole_system import WORKER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.ground import Ground

BATCH_EVENTS = 500
PUT_TOGETHER = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--customers", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rounds = [
        one_round(arguments.events, arguments.customers, seed) for seed in range(1, arguments.rounds + 1)
    ]
    median = {key: round(statistics.median(r[key] for r in rounds), 2) for key in rounds[0]}
    print(json.dumps({"rounds": rounds, "median": median}))


def one_round(events: int, customers: int, seed: int) -> dict[str, float]:
    """Events per second of the worker and of the bare program, and the worker's CPU time per event."""
    stream = list(bodies(events, customers=customers, seed=seed))
    with ground() as servers:
        ours, cpu = drain(servers, stream)
        bare_url = servers.postgres.description.url_of("bare")
        make_database(servers, "bare")
        theirs = events / asyncio.run(bare.write(bare_url, stream, size=BATCH_EVENTS))
    result = {"worker_per_s": ours, "bare_per_s": theirs, "ratio": ours / theirs, "worker_us_per_event": cpu}
    print(json.dumps(result), file=sys.stderr)
    return result


def drain(servers: Ground, stream: Sequence[bytes]) -> tuple[float, float]:
    """Events per second of one worker, and its microseconds of CPU per event."""
    mailboxes = Mailboxes.connect(servers.valkey.url, ack=AckDurability.REDIS)
    envelopes = [open_envelope(body, now=2_000_000_000) for body in stream]
    for at in range(0, len(envelopes), PUT_TOGETHER):
        mailboxes.put(envelopes[at : at + PUT_TOGETHER])
    worker = Process(
        Command(
            argv=WORKER,
            log=Path(os.devnull),
            environment={"DATABASE_URL": servers.postgres.url, "REDIS_URL": servers.valkey.url},
            folder=ROOT,
        )
    )
    try:
        return timed(mailboxes, worker.pid, len(stream))
    finally:
        worker.kill()
        mailboxes.close()


def timed(mailboxes: Mailboxes, pid: int, events: int) -> tuple[float, float]:
    """Time the worker from its first settled batch on, which its start-up came before."""
    while (left := mailboxes.status().waiting) == events:
        time.sleep(0.005)
    begun, cpu, first = time.perf_counter(), cpu_seconds(pid), left
    while mailboxes.status().waiting:
        time.sleep(0.01)
    return first / (time.perf_counter() - begun), (cpu_seconds(pid) - cpu) / first * 1e6


def make_database(servers: Ground, name: str) -> None:
    """Make and migrate another database of the same server."""
    with psycopg.connect(servers.postgres.description.url_of("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    migrate(servers.postgres.description.url_of(name))


if __name__ == "__main__":
    main()
