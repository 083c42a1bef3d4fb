"""The measurements behind docs/scaling.md: the cost of an event, and whether it stays the same with more processes.

    .venv/bin/python -m bench.scaling           # a quarter of an hour; prints what it found
    .venv/bin/python -m bench.scaling --save    # keeps it in docs/scaling/results.json, simulates and writes the page

Each part is a command of its own (bench/steps.py, bench/crew.py) or a function here; figures are medians of rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import redis

from bench import disk, growth, scaling_page, scenarios, steps
from bench.crew import CREWS, Crew, drained, side_by_side
from bench.ground import cpu_seconds, ground
from bench.sending import at_rate, flood, signed_requests
from bench.serving import RECEIVER, served
from bench.wire import wire
from bench.working import worker
from cogento.queue.durability import AckDurability
from tests.support.looped import LoopedMailboxes
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.ground import Ground

BATCHES = (50, 200, 500, 2000)
PROCESSES = (1, 2)
WARM_UP, CUSTOMERS = 2_000, 4_000
EMPTY_SECONDS = 120
ANSWERED_PER_SECOND, ANSWERED_SECONDS = (50, 200), 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth-share", type=float, default=0.1, help="of the sizes of bench.growth")
    parser.add_argument("--only", action="append", help="this part; may be repeated")
    parser.add_argument("--save", action="store_true", help="keep the figures and write docs/scaling.md")
    arguments = parser.parse_args()
    chosen = parts(arguments.events, arguments.rounds, arguments.growth_share)
    figures = {name: told(name, part) for name, part in chosen.items() if name in (arguments.only or chosen)}
    print(json.dumps(figures))
    if arguments.save:
        scaling_page.save(figures)
        scaling_page.save({"simulated": scenarios.simulated(scaling_page.kept())})


def parts(events: int, rounds: int, share: float) -> Mapping[str, Callable[[], object]]:
    """Everything that is measured, by its name in the results."""
    median = partial(median_of, rounds)
    return {
        "steps": lambda: median(lambda: steps.calls(events)),
        "shards": lambda: median(lambda: steps.shards(events)),
        "receivers": lambda: {str(number): median(partial(received, events, number)) for number in PROCESSES},
        "crews": lambda: {name: median(partial(drained, events, crew)) for name, crew in CREWS.items()},
        "apart": lambda: {
            "1 worker, 2 loops, 16 shards": median(partial(drained, events, Crew(shards=16))),
            "1 worker, 2 loops, and the same again beside it": median(lambda: side_by_side(events)),
        },
        "batches": lambda: {
            str(size): median(partial(drained, events, Crew(loops=1, batch_events=size))) for size in BATCHES
        },
        "answers": lambda: {str(rate): median(partial(answered, rate)) for rate in ANSWERED_PER_SECOND},
        "wire": lambda: median(lambda: carried(events)),
        "disk": lambda: median_of(1, lambda: disk.row_bytes(events)),
        "growth": lambda: median_of(1, lambda: growth.one_round(share)),
    }


def told(name: str, part: Callable[[], object]) -> object:
    """Measure a part, and show it at once."""
    found = part()
    print(name, json.dumps(found), file=sys.stderr, flush=True)
    return found


def median_of(rounds: int, one_round: Callable[[], Mapping[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    results = [one_round() for _ in range(rounds)]
    return {name: round(statistics.median(result[name] for result in results), 3) for name in results[0]}


def received(events: int, processes: int) -> dict[str, float]:
    """Flood `processes` receiver processes: the rate, and what an event costs them and Valkey."""
    requests = signed_requests(WARM_UP + events, customers=CUSTOMERS)
    with ground() as servers, served(RECEIVER, servers, WEB_CONCURRENCY=str(processes)) as server:
        flood(server.port, requests[:WARM_UP])
        before = spent(servers, server.process.pid)
        sent = flood(server.port, requests[WARM_UP:])
        after = spent(servers, server.process.pid)
    return {"per_s": sent.per_second, **{name: (after[name] - before[name]) / events for name in before}}


def spent(servers: Ground, receiver: int) -> dict[str, float]:
    """Microseconds and bytes so far."""
    with redis.Redis.from_url(servers.valkey.url) as client:
        aof = client.info("persistence")["aof_current_size"]
    return {
        "receiver_us": cpu_seconds(receiver) * 1e6,
        "valkey_us": cpu_seconds(servers.valkey.pid) * 1e6,
        "aof_bytes": float(aof),
    }


def answered(per_second: int) -> dict[str, float]:
    """How soon one receiver answers at an even rate: the simulation is compared with this."""
    requests = signed_requests(WARM_UP + per_second * ANSWERED_SECONDS, customers=CUSTOMERS)
    with ground() as servers, served(RECEIVER, servers) as server:
        flood(server.port, requests[:WARM_UP])
        sent = at_rate(server.port, requests[WARM_UP:], per_second=per_second)
    return {"p50_ms": sent.percentile_ms(0.5), "p99_ms": sent.percentile_ms(0.99)}


def carried(events: int) -> dict[str, float]:
    """Bytes of an event over each connection, both ways, with everything at work."""
    requests = signed_requests(events, customers=CUSTOMERS)
    with ExitStack() as stack:
        servers = stack.enter_context(ground())
        wires = {
            "receiver_redis_bytes": stack.enter_context(wire(servers.valkey.url)),
            "worker_redis_bytes": stack.enter_context(wire(servers.valkey.url)),
            "worker_postgres_bytes": stack.enter_context(wire(servers.postgres.url)),
        }
        to_redis, from_redis, to_postgres = wires.values()
        server = stack.enter_context(served(RECEIVER, servers, REDIS_URL=to_redis.url))
        stack.enter_context(worker(servers, REDIS_URL=from_redis.url, DATABASE_URL=to_postgres.url))
        webhooks = stack.enter_context(wire(f"http://127.0.0.1:{server.port}"))
        flood(int(webhooks.url.rpartition(":")[2]), requests)
        await_empty(servers)
        counted = {name: one.carried / events for name, one in wires.items()}
        return {"http_bytes": webhooks.carried / events, **counted}


def await_empty(servers: Ground) -> None:
    """Wait until nothing waits."""
    mailboxes = LoopedMailboxes.connect(servers.valkey.url, ack=AckDurability.REDIS)
    wait_until(lambda: mailboxes.status().waiting == 0, what="empty mailboxes", seconds=EMPTY_SECONDS)
    mailboxes.close()


if __name__ == "__main__":
    main()
