"""How many decisions take the short path and how many the careful one, and how long each takes.

    .venv/bin/python -m bench.paths --seconds 900

Reads the events of a simulated account at the pace of `cogento run --rate 200`, delivered one at a time, each up to two
seconds late. A simulated customer's actions come in bursts, so that ties are far commoner than in a real account.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from random import Random

from cogento.events.event import Event, read_event
from cogento.local.stripe.account import Account
from cogento.local.stripe.activity import AccountActivity
from cogento.local.stripe.events import webhook_body
from cogento.local.stripe.shapes import DAHLIA
from cogento.ordering.evidence import NOTHING, unpack
from cogento.ordering.order import CurrentRow, Decision, decide, is_plainly_last

START = 1_780_000_000
ACTIONS_A_SECOND = 80
WINDOW_SECONDS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=300, help="simulated seconds")
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    took = decisions(arguments.seconds, arguments.customers, arguments.seed)
    total = sum(map(len, took.values()))
    for path, costs in sorted(took.items()):
        print(
            f"{path}: {len(costs) / total:.1%} of {total} decisions, median {statistics.median(costs):.1f} µs"
        )


def decisions(seconds: int, customers: int, seed: int) -> dict[str, list[float]]:
    """Microseconds of every decision, by path."""
    rows: dict[str, Decision] = {}
    took: dict[str, list[float]] = defaultdict(list)
    for event in shuffled(life(seconds, customers, seed), Random(seed)):
        row = rows.get(event.object_id)
        known = CurrentRow(row.evidence, row.last_event_id, row.columns) if row else None
        path = (
            "short" if is_plainly_last(event.version, unpack(row.evidence) if row else NOTHING) else "careful"
        )
        begun = time.perf_counter()
        rows[event.object_id] = decide(known, [event.version])
        took[path].append((time.perf_counter() - begun) * 1e6)
    return took


def life(seconds: int, customers: int, seed: int) -> list[Event]:
    """Every event of an account, in true order."""
    account = Account(Random(seed), api_version=DAHLIA)
    living = AccountActivity(account, population=customers)
    for step in range(seconds * ACTIONS_A_SECOND):
        living.step(START + step // ACTIONS_A_SECOND)
    return [read_event(webhook_body(event)) for event in account.events]


def shuffled(events: list[Event], chance: Random) -> list[Event]:
    """The events as they arrive: each up to the window late."""
    return sorted(events, key=lambda event: event.created + chance.uniform(0, WINDOW_SECONDS))


if __name__ == "__main__":
    main()
