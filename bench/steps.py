"""What receiving, putting, taking and writing cost by themselves: one by one, and many together.

    .venv/bin/python -m bench.steps --events 8000

From a call with one event and one with many follow the two numbers that the simulation needs (bench/model.py): the fixed cost of
a call, and what each event adds. Then the same puts and claims over 1, 4 and 12 shards of one Valkey, and over clusters of three
and six.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

import psycopg
import redis

from bench.costs import opened, put_all, settlements
from bench.ground import cpu_seconds, ground
from bench.metering import OURS, Meter
from bench.stream import bodies
from cogento.events.envelope import parse_envelope
from cogento.queue.durability import AckDurability
from cogento.store.store import Store
from tests.support.cluster import cluster
from tests.support.databases import LIBPQ_OPTIONS
from tests.support.looped import LoopedMailboxes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.ground import Ground
    from cogento.events.envelope import Envelope
    from cogento.queue.claims import Claim

NOW = 2_000_000_000
LEASE_SECONDS = 600
ALONE, TOGETHER = 1, 64
BATCH = 500
SHARDS = (1, 4, 12)
CLUSTERS = (3, 6)
"""Numbers of masters among which the largest number of shards divides evenly."""
VALKEY, POSTGRES = "valkey", "postgres"
STEPS = ("take", "read", "apply")
COMMITS = 300
PROBE = "INSERT INTO write_probe DEFAULT VALUES ON CONFLICT (id) DO UPDATE SET written_at = now()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=8_000)
    arguments = parser.parse_args()
    print(json.dumps({**calls(arguments.events), **shards(arguments.events)}))


def envelopes(events: int) -> list[Envelope]:
    """Return parsed envelopes, of a fifth as many customers as events."""
    return [parse_envelope(body, now=NOW) for body in bodies(events, customers=events // 5)]


def calls(events: int) -> dict[str, float]:
    """Return the microseconds that a call costs and that an event adds, by step and resource; `sync` and `commit` are waits for a disk."""
    with ground() as servers:
        with opened_mailboxes(servers, shards=1) as mailboxes:
            few, many = envelopes(events // 8), envelopes(events)
            put = line(
                puts(servers, mailboxes, few, ALONE), puts(servers, mailboxes, many, TOGETHER), TOGETHER
            )
            waits = {"sync": sync_us(servers, mailboxes, few), "commit": commit_us(servers)}
        alone = turns(servers, few, ALONE)
    with ground() as servers:
        together = turns(servers, many, BATCH)
    figures = dict(waits)
    figures |= {f"put_{name}_{part}": us for part, by in put.items() for name, us in by.items()}
    for step in STEPS:
        fitted = line(alone[step], together[step], BATCH)
        figures |= {f"{step}_{name}_{part}": us for part, by in fitted.items() for name, us in by.items()}
    return figures


def line(alone: Mapping[str, float], together: Mapping[str, float], size: int) -> dict[str, dict[str, float]]:
    """Turn two measurements of an event's cost, alone and among `size` events, into the costs of a call and of an event."""
    call = {name: max(0.0, (alone[name] - together[name]) / (1 - 1 / size)) for name in alone}
    return {"call": call, "event": {name: max(0.0, alone[name] - call[name]) for name in alone}}


@contextmanager
def opened_mailboxes(servers: Ground, *, shards: int) -> Iterator[LoopedMailboxes]:
    """Mailboxes that promise the disk."""
    mailboxes = LoopedMailboxes.connect(servers.valkey.url, shards=shards, ack=AckDurability.REDIS_FSYNC)
    mailboxes.check()
    try:
        yield mailboxes
    finally:
        mailboxes.close()


def pids(servers: Ground) -> dict[str, int]:
    """The servers' processes."""
    return {VALKEY: servers.valkey.pid, POSTGRES: servers.postgres.pid}


def puts(
    servers: Ground, mailboxes: LoopedMailboxes, stream: Sequence[Envelope], together: int
) -> dict[str, float]:
    """Put a stream, `together` events in each call, and forget it again."""
    meter = Meter(pids(servers))
    with meter.running():
        put_all(mailboxes, stream, together=together)
    empty(servers)
    return meter.us(len(stream))


def sync_us(servers: Ground, mailboxes: LoopedMailboxes, stream: Sequence[Envelope]) -> float:
    """How much longer a put of one event takes when it waits for the disk."""
    with redis.Redis.from_url(servers.valkey.url) as client:
        synced = median_put_us(mailboxes, stream)
        empty(servers)
        client.config_set("appendfsync", "everysec")
        unsynced = LoopedMailboxes.connect(servers.valkey.url, ack=AckDurability.REDIS)
        quick = median_put_us(unsynced, stream)
        unsynced.close()
        client.config_set("appendfsync", "always")
    empty(servers)
    return max(0.0, synced - quick)


def median_put_us(mailboxes: LoopedMailboxes, stream: Sequence[Envelope]) -> float:
    """The median time of a put of one event."""
    return statistics.median(timed_us(lambda: mailboxes.put([one])) for one in stream)  # noqa: B023


def turns(servers: Ground, stream: Sequence[Envelope], size: int) -> dict[str, dict[str, float]]:
    """Drain a stream in batches of a size: each step for all that is ready, before the next step begins."""
    meters = {step: Meter(pids(servers)) for step in STEPS}
    with opened_mailboxes(servers, shards=1) as mailboxes, asyncio.Runner() as runner:
        put_all(mailboxes, stream, together=TOGETHER)
        store = runner.run(Store.open(servers.postgres.url, pool_size=1, application_name="bench"))
        runner.run(store.ping_write())
        while claims := claimed(mailboxes, meters["take"], size):
            with meters["read"].running():
                batches = [opened(claim) for claim in claims]
            with meters["apply"].running():
                for batch in batches:
                    runner.run(store.apply(batch))
            with meters["take"].running():
                for claim in claims:
                    mailboxes.settle(claim, settlements(claim))
        runner.run(store.close())
    return {step: meter.us(len(stream)) for step, meter in meters.items()}


def claimed(mailboxes: LoopedMailboxes, meter: Meter, size: int) -> list[Claim]:
    """Claim everything that is ready, `size` events at a time; each customer comes once."""
    with meter.running():
        return list(iter(lambda: claim_of(mailboxes, size), None))


def claim_of(mailboxes: LoopedMailboxes, size: int) -> Claim | None:
    """Claim the next `size` events."""
    return mailboxes.claim(max_customers=size, max_events=size, lease_seconds=LEASE_SECONDS)


def commit_us(servers: Ground) -> float:
    """How much longer a small transaction takes when it waits for the disk."""
    with psycopg.connect(servers.postgres.url, autocommit=True, options=LIBPQ_OPTIONS) as connection:
        took = []
        for waiting in ("on", "off"):
            connection.execute(f"SET synchronous_commit = {waiting}")
            probes = (timed_us(lambda: connection.execute(PROBE)) for _ in range(COMMITS))
            took.append(statistics.median(probes))
    return max(0.0, took[0] - took[1])


def timed_us(work: Callable[[], object]) -> float:
    """Run `work`, and return how long it took."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e6


def shards(events: int) -> dict[str, float]:
    """Microseconds of client and Valkey for an event put and taken, by the number of shards, and over clusters."""
    stream = envelopes(events)
    figures: dict[str, float] = {}
    with ground() as servers:
        for number in SHARDS:
            with opened_mailboxes(servers, shards=number) as mailboxes:
                us = put_and_taken(mailboxes, Meter({VALKEY: servers.valkey.pid}), stream)
            figures |= {f"shards_{number}_{name}": us[name] for name in (OURS, VALKEY)}
    for masters in CLUSTERS:
        figures |= over_a_cluster(stream, masters=masters)
    return figures


def over_a_cluster(stream: Sequence[Envelope], *, masters: int) -> dict[str, float]:
    """Measure the same on a cluster of `masters` Valkeys, and the share of the busiest one; a put goes to one master, as a receiver's does."""
    with cluster(masters=masters) as running:
        mailboxes = running.mailboxes(shards=max(SHARDS))
        mailboxes.check()  # reads the cluster's map
        lanes: dict[str, list[Envelope]] = {}
        for envelope in stream:
            lanes.setdefault(mailboxes.looped.lane(envelope.customer_id), []).append(envelope)
        before = [cpu_seconds(node.pid) for node in running.nodes]
        us = put_and_taken(mailboxes, Meter({}), list(chain.from_iterable(lanes.values())))
        spent = [cpu_seconds(node.pid) - then for node, then in zip(running.nodes, before, strict=True)]
        mailboxes.close()
    return {
        f"cluster_{masters}_ours": us[OURS],
        f"cluster_{masters}_valkey": sum(spent) / len(stream) * 1e6,
        f"cluster_{masters}_busiest_share": max(spent) / sum(spent),
    }


def put_and_taken(mailboxes: LoopedMailboxes, meter: Meter, stream: Sequence[Envelope]) -> dict[str, float]:
    """Put a stream and settle it, without writing anything anywhere."""
    with meter.running():
        put_all(mailboxes, stream, together=TOGETHER)
        while claim := mailboxes.claim(max_customers=BATCH, max_events=BATCH, lease_seconds=LEASE_SECONDS):
            mailboxes.settle(claim, settlements(claim))
    return meter.us(len(stream))


def empty(servers: Ground) -> None:
    """Forget what was put: the next events have the same ids."""
    with redis.Redis.from_url(servers.valkey.url) as client:
        client.flushall()


if __name__ == "__main__":
    main()
