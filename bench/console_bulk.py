"""How long a bulk retry of very many dead letters takes, begun by one process and continued by another.

    .venv/bin/python -m bench.console_bulk
    .venv/bin/python -m bench.console_bulk --keep /var/tmp/console   # what bench.console filled; its letters are gone then

Retries every open letter of what the console is measured over, batch by batch. Half-way its process is gone, as after `kill -9`,
and another continues. Prints how long each part took, and fails where the last part took more than twice as long as the first:
the work must not grow faster than the number of letters.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from bench.console_data import NOTE, fill, is_filled, put, scaled
from bench.ground import ground
from cogento import runtime
from cogento.console.bulk_operations import BATCH_LETTERS, BulkOperations, NeverStops
from cogento.queue.durability import AckDurability
from cogento.queue.mailboxes import Mailboxes
from cogento.store.connecting import connect_plainly
from cogento.store.letter_records import LetterFilter
from cogento.store.operations import OperationKind
from cogento.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PARTS = 10
SLOWDOWN = 2.0
TIME_PASSES = """
UPDATE operations SET heartbeat_at = heartbeat_at - INTERVAL '16 seconds' WHERE state = 'running';
UPDATE dead_letter_actions SET happened_at = happened_at - INTERVAL '16 seconds' WHERE operation_id = {operation}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--share", type=float, default=1, help="of the full sizes")
    parser.add_argument("--keep", type=Path, help="a folder that bench.console has filled")
    arguments = parser.parse_args()
    kept, sizes = arguments.keep, scaled(arguments.share)
    is_ready = kept is not None and is_filled(kept, sizes)
    with ground(kept) as servers:
        if not is_ready:
            asyncio.run(fill(servers.postgres.url, sizes))
            put(servers.valkey.url, sizes.waiting)
        elif kept:
            (kept / NOTE).unlink()
        figures = measure(servers.postgres.url, servers.valkey.url)
    print(json.dumps(figures))
    return 0 if figures["last_over_first"] <= SLOWDOWN else 1


def measure(database_url: str, redis_url: str) -> dict[str, float]:
    """Retry every open letter, by two processes one after the other."""
    store = runtime.run(Store.open(database_url, pool_size=2, application_name="bench"))
    mailboxes = Mailboxes.connect(redis_url, ack=AckDurability.REDIS)
    begun = time.monotonic()
    first = BulkOperations(mailboxes, store)
    operation = first.begin(OperationKind.RETRY, LetterFilter(), who="bench", why="measured")
    begin_seconds = time.monotonic() - begun
    batches = -(-operation.total // BATCH_LETTERS)
    size = max(batches // PARTS, 1)
    abandoned = first.run(operation, NeverStops())
    took = list(parts(islice(abandoned, batches // 2), size))
    runtime.run(let_time_pass(database_url, operation.id))

    begun = time.monotonic()
    second = BulkOperations(mailboxes, store)
    continued = second.run(second.take_over(operation.id, who="bench"), NeverStops())
    next(continued)
    continue_seconds = time.monotonic() - begun
    took += parts(continued, size)
    done = second.read(operation.id)
    assert done is not None
    assert done.operation.counts == {"put_back": operation.total}, done
    for number, seconds in enumerate(took, 1):
        print(f"part {number}: {seconds:.2f} s")
    return {
        "letters": operation.total,
        "letters_per_s": round(operation.total / sum(took)),
        "begin_s": round(begin_seconds, 2),
        "continue_s": round(continue_seconds, 2),
        "last_over_first": round(took[-2] / took[0], 2),
    }


def parts(batches: Iterator[Mapping[int, str]], size: int) -> Iterator[float]:
    """Run batches, and yield how long each part of `size` batches took."""
    begun, count = time.monotonic(), 0
    for count, _ in enumerate(batches, 1):
        if count % size == 0:
            yield time.monotonic() - begun
            begun = time.monotonic()
    if count % size:
        yield time.monotonic() - begun


async def let_time_pass(database_url: str, operation: int) -> None:
    """Change the tables as if an operation's process had been silent for so long that it counts as gone."""
    connection = await connect_plainly(database_url, application_name="bench")
    await connection.execute(TIME_PASSES.format(operation=operation))
    await connection.close()


if __name__ == "__main__":
    raise SystemExit(main())
