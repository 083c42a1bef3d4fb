"""Where the CPU time of one event goes, step by step, ours and the servers'.

    .venv/bin/python -m bench.costs --events 20000

Each step is done for all events before the next begins, in this one process, and is charged the CPU time of this process, Valkey
and Postgres meanwhile; waiting costs nothing here. HTTP is measured by `bench.receiver`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from bench.ground import cpu_seconds, ground
from bench.stream import bodies
from cogento.events.envelope import parse_envelope
from cogento.events.event import read_event
from cogento.queue.claims import Settlement
from cogento.queue.durability import AckDurability
from cogento.store.ledger import Delivery
from cogento.store.store import Store
from receiver.signature import verify
from tests.support.builders import SECRET, signed_header
from tests.support.looped import LoopedMailboxes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.ground import Ground
    from cogento.events.envelope import Envelope
    from cogento.queue.claims import Claim

NOW = 2_000_000_000
LEASE_SECONDS = 600
KEPT_BYTES = """
SELECT count(*), pg_total_relation_size('cogento_internal.stripe_objects') / count(*) AS bytes_each,
       avg(pg_column_size(object))::INTEGER AS stored, avg(length(object::TEXT))::INTEGER AS told
FROM cogento_internal.stripe_objects
"""
"""How many objects are kept, and the bytes of each: with its row and indexes, alone, and as text."""


class Costs:
    """Microseconds of CPU per event, by step and by process."""

    def __init__(self, servers: Ground, events: int) -> None:
        self.by_step: dict[str, dict[str, float]] = defaultdict(
            lambda: dict.fromkeys(("ours", "valkey", "postgres"), 0.0)
        )
        self._servers = servers
        self._events = events

    @contextmanager
    def charged_to(self, step: str) -> Iterator[None]:
        """Charge the block to a step; several blocks of one step add up."""
        before = {**self._spent_by_servers(), "ours": _spent_by_us()}
        yield
        # Our own process first: asking for the servers' CPU time takes milliseconds, and is not part of the step.
        after = {"ours": _spent_by_us(), **self._spent_by_servers()}
        for who, spent in after.items():
            self.by_step[step][who] += (spent - before[who]) / self._events * 1e6

    def _spent_by_servers(self) -> dict[str, float]:
        return {
            "valkey": cpu_seconds(self._servers.valkey.pid),
            "postgres": cpu_seconds(self._servers.postgres.pid),
        }


def _spent_by_us() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--customers", type=int, default=4_000)
    parser.add_argument("--group", type=int, default=16, help="events that one put takes together")
    parser.add_argument("--batch", type=int, default=500, help="events that one claim takes together")
    parser.add_argument(
        "--keep-objects", action="store_true", help="keep whole objects, and say what they take"
    )
    arguments = parser.parse_args()
    stream = list(bodies(arguments.events, customers=arguments.customers))
    with ground() as servers:
        costs = Costs(servers, len(stream))
        mailboxes = LoopedMailboxes.connect(servers.valkey.url, ack=AckDurability.REDIS_FSYNC)
        mailboxes.check()
        receive(costs, mailboxes, stream, together=arguments.group)
        url, keep = servers.postgres.url, arguments.keep_objects
        work(costs, mailboxes, url, together=arguments.batch, keep_objects=keep)
        mailboxes.close()
        if keep:
            with psycopg.connect(url) as connection:
                print(connection.execute(KEPT_BYTES).fetchone())
    print(
        json.dumps(
            {step: {who: round(us, 1) for who, us in by.items()} for step, by in costs.by_step.items()}
        )
    )
    show(costs)


def receive(costs: Costs, mailboxes: LoopedMailboxes, stream: Sequence[bytes], *, together: int) -> None:
    """What the receiver does with every body."""
    headers = [signed_header(body, timestamp=NOW) for body in stream]
    with costs.charged_to("signature"):
        for body, header in zip(stream, headers, strict=True):
            verify(header, body, secrets=(SECRET.encode(),), now=NOW)
    with costs.charged_to("envelope"):
        envelopes = [parse_envelope(body, now=NOW) for body in stream]
    with costs.charged_to("put"):
        put_all(mailboxes, envelopes, together=together)


def put_all(mailboxes: LoopedMailboxes, envelopes: Sequence[Envelope], *, together: int) -> None:
    """Put all envelopes, `together` at a time."""
    for at in range(0, len(envelopes), together):
        mailboxes.put(envelopes[at : at + together])


def work(
    costs: Costs, mailboxes: LoopedMailboxes, database_url: str, *, together: int, keep_objects: bool = False
) -> None:
    """What a worker does until no event is ready."""
    with asyncio.Runner() as runner:
        opening = Store.open(database_url, pool_size=1, application_name="bench", keep_objects=keep_objects)
        store = runner.run(opening)
        while True:
            with costs.charged_to("claim"):
                claim = mailboxes.claim(
                    max_customers=together, max_events=together, lease_seconds=LEASE_SECONDS
                )
            if claim is None:
                break
            with costs.charged_to("read"):
                deliveries = opened(claim)
            with costs.charged_to("apply"):
                runner.run(store.apply(deliveries))
            with costs.charged_to("settle"):
                mailboxes.settle(claim, settlements(claim))
        runner.run(store.close())


def opened(claim: Claim) -> list[Delivery]:
    """Every event of a claim, read."""
    return [
        Delivery(
            read_event(waiting.body), waiting.received_ms, waiting.attempts, waiting.source, waiting.body
        )
        for batch in claim.batches
        for waiting in batch.events
    ]


def settlements(claim: Claim) -> list[Settlement]:
    """Return settlements that mark every event of a claim as done."""
    return [
        Settlement(batch.customer_id, done=tuple(waiting.event_id for waiting in batch.events))
        for batch in claim.batches
    ]


def show(costs: Costs) -> None:
    """Print a table for people."""
    print(f"{'µs of CPU per event':<22}{'ours':>8}{'Valkey':>8}{'Postgres':>10}", file=sys.stderr)
    total = dict.fromkeys(("ours", "valkey", "postgres"), 0.0)
    for step, by in costs.by_step.items():
        print(f"{step:<22}{by['ours']:>8.1f}{by['valkey']:>8.1f}{by['postgres']:>10.1f}", file=sys.stderr)
        total = {who: total[who] + by[who] for who in total}
    print(
        f"{'together':<22}{total['ours']:>8.1f}{total['valkey']:>8.1f}{total['postgres']:>10.1f}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
