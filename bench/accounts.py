"""What an event costs in a deployment with many accounts, compared with one account: the same events, the same processes.

    .venv/bin/python -m bench.accounts --accounts 20 --events 20000

Envelopes are put by concurrent callers, as in a receiver; then a whole worker, periodic tasks included, drains what waits; then
events come at a steady rate. The CPU time of this process, Valkey and PostgreSQL is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import sys
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from bench.ground import ground
from bench.metering import Meter
from bench.stream import bodies
from cogento.accounts import DEFAULT_ACCOUNT, default_schema
from cogento.database_schema import DEFAULT_SCHEMA, with_schema
from cogento.events.envelope import parse_envelope
from cogento.queue.durability import AckDurability
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.group_commit import GroupCommit
from cogento.queue.mailboxes import Mailboxes
from cogento.settings import WorkerSettings
from cogento.store.migrate import migrate
from worker.process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from bench.ground import Ground
    from cogento.events.envelope import Envelope
    from cogento.queue.claims import Put

NOW = 2_000_000_000
CUSTOMERS = 4_000
PACED_SECONDS = 20
WARM_UPS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=500, help="Events a second, where they come steadily.")
    parser.add_argument("--callers", type=int, default=64, help="How many put at once.")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    rounds = []
    for _ in range(arguments.rounds):
        one, many = (
            measure(accounts, arguments.events, arguments.rate, arguments.callers)
            for accounts in (1, arguments.accounts)
        )
        ratios = {f"{name}_ratio": many[name] / one[name] for name in one if one[name]}
        rounds.append({**{f"{name}_one": us for name, us in one.items()}, **many, **ratios})
        print(json.dumps({name: round(figure, 3) for name, figure in rounds[-1].items()}), file=sys.stderr)
    everywhere = set.intersection(*map(set, rounds))
    median = {name: statistics.median(one[name] for one in rounds) for name in sorted(everywhere)}
    print(json.dumps({name: round(figure, 3) for name, figure in median.items()}))


def measure(accounts: int, events: int, rate: int, callers: int) -> dict[str, float]:
    """Return microseconds of CPU for each event, by step, over `accounts` accounts; and events drained a second."""
    names = [DEFAULT_ACCOUNT, *(f"a{number}" for number in range(1, accounts))]
    with ground() as servers:
        for name in names[1:]:
            migrate(with_schema(servers.postgres.url, default_schema(name)))
        return asyncio.run(_measure(servers, names, events, rate, callers))


async def _measure(
    servers: Ground, names: Sequence[str], events: int, rate: int, callers: int
) -> dict[str, float]:
    first = Mailboxes.connect(servers.valkey.url, ack=AckDurability.REDIS_FSYNC)
    mailboxes = [first, *(first.of_account(name) for name in names[1:])]
    together = [GroupCommit(first)]
    together += [together[0].beside(one) for one in mailboxes[1:]]
    stream = _stream(2 * events + rate * PACED_SECONDS)
    worker = await WorkerProcess.open(*_settings(servers, names))
    await worker.start()
    pids = {"valkey": servers.valkey.pid, "postgres": servers.postgres.pid}
    meters = {name: Meter(pids) for name in ("put", "drain", "paced")}

    for _ in range(WARM_UPS):  # so that each connection has prepared each account's statements
        async with _halted(mailboxes):
            await _put(together, _next(stream, events // WARM_UPS), callers)
        await worker.wake()
        await _until_empty(mailboxes)
    async with _halted(mailboxes):
        with meters["put"].running():
            await _put(together, _next(stream, events), callers)
    begun = time.perf_counter()
    with meters["drain"].running():
        await worker.wake()
        await _until_empty(mailboxes)
    took = time.perf_counter() - begun
    with meters["paced"].running():
        await _put_paced(together, stream, rate, worker)
        await _until_empty(mailboxes)

    await worker.stop()
    await first.close()
    counts = {"put": events, "drain": events, "paced": rate * PACED_SECONDS}
    figures: dict[str, float] = {"drained_a_second": events / took}
    for name, meter in meters.items():
        by = meter.us(counts[name])
        figures |= {f"{name}_us": sum(by.values()), **{f"{name}_{one}_us": us for one, us in by.items()}}
    return figures


def _settings(servers: Ground, names: Sequence[str]) -> list[WorkerSettings]:
    shared = {
        "redis_url": servers.valkey.url,
        "stripe_accounts": ",".join(names) if len(names) > 1 else "",
    }
    return [
        WorkerSettings.model_validate(
            {
                **shared,
                "database_url": servers.postgres.url,
                "database_schema": DEFAULT_SCHEMA if name == DEFAULT_ACCOUNT else default_schema(name),
                **({"cogento_account": name} if len(names) > 1 else {}),
            }
        )
        for name in names
    ]


def _stream(events: int) -> Iterator[Envelope]:
    return (parse_envelope(body, now=NOW) for body in bodies(events, customers=CUSTOMERS))


def _next(stream: Iterator[Envelope], events: int) -> list[Envelope]:
    return [next(stream) for _ in range(events)]


def _account_of(envelope: Envelope, accounts: int) -> int:
    """Return the account of an event's customer: all of a customer's events belong to one."""
    return int(envelope.customer_id[-6:]) % accounts


async def _put(together: Sequence[GroupCommit], envelopes: Sequence[Envelope], callers: int) -> None:
    """Put envelopes by `callers` callers at once, each of which waits for its answer."""
    left = iter(envelopes)

    async def call() -> None:
        for envelope in left:
            await _put_one(together, envelope)

    await asyncio.gather(*(call() for _ in range(callers)))


async def _put_one(together: Sequence[GroupCommit], envelope: Envelope) -> Put:
    """Put one envelope, and again where the machine was too busy for it, as Stripe would."""
    while True:
        with suppress(MailboxUnavailable):
            return await together[_account_of(envelope, len(together))].put(envelope)


async def _put_paced(
    together: Sequence[GroupCommit], stream: Iterator[Envelope], rate: int, worker: WorkerProcess
) -> None:
    """Put `rate` envelopes a second, evenly, and wake the worker whenever a put asks for it."""
    begun = time.perf_counter()
    under_way: set[asyncio.Task[None]] = set()

    async def call(envelope: Envelope) -> None:
        if (await _put_one(together, envelope)).needs_wakeup:
            await worker.wake()

    for number in range(rate * PACED_SECONDS):
        if (left := begun + number / rate - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        task = asyncio.create_task(call(next(stream)))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)


@asynccontextmanager
async def _halted(mailboxes: Sequence[Mailboxes]) -> AsyncIterator[None]:
    """Pause all accounts for the length of a block."""
    for one in mailboxes:
        await one.pause(who="bench")
    yield
    for one in mailboxes:
        await one.resume()


async def _until_empty(mailboxes: Sequence[Mailboxes]) -> None:
    """Wait until no event waits; while many do, only one account is asked, so that asking costs the same for any number of accounts."""
    for one in mailboxes:
        while (await one.status()).waiting:  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    main()
