"""A simulated account's life, sent to each of the three: wrong rows at the end, and requests to Stripe.

All get the same seed, so the same happens; the second in which it happens depends on the machine. Deliveries are shuffled within
a second, one in twenty comes twice, one in a hundred is late; a webhook that is not answered 2xx comes again until it is.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.compared.databases import databases
from bench.compared.judging import found_in, wanted_of, wrong_rows
from bench.compared.setups import NAMES, running_setup
from bench.ground import running
from cogento.accounts import WEBHOOK_PATH
from cogento.local.ports import LOCALHOST, free_port, is_free
from cogento.local.services import ROOT, SIMULATED_KEY
from cogento.local.stripe.truth import read_truth
from tests.support.builders import SECRET
from tests.support.sender import Sender
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.compared.databases import Databases

CUSTOMERS, EVENTS_PER_SECOND = 200, 60
LATE_SECONDS = 10
START_SECONDS, DRAIN_SECONDS = 30, 120
SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """How much happens."""

    events: int
    seed: int


def measured(events: int, *, rounds: int) -> dict[str, Any]:
    """Measure each of the three, by default and asking Stripe, over `rounds` lives."""
    lives = [Life(events=events, seed=seed) for seed in range(1, rounds + 1)]
    with databases() as made:
        return {
            name: {
                "default": [lived(made, name, life, asks=False) for life in lives],
                "asking": [lived(made, name, life, asks=True) for life in lives],
            }
            for name in NAMES
        }


def lived(made: Databases, name: str, life: Life, *, asks: bool) -> dict[str, Any]:
    """Run one life, and judge the rows."""
    port = free_port()
    stripe = f"http://{LOCALHOST}:{port}"
    with (
        made.one_for(name) as database_url,
        running_setup(name, made.servers, database_url, stripe_url=stripe if asks else None) as setup,
        simulated(life, port=port, webhook_port=setup.port) as sender,
    ):
        wait_until(
            lambda: sender.counters()["events"] >= life.events,
            what=f"{life.events} events",
            seconds=START_SECONDS + 3 * life.events / EVENTS_PER_SECOND,
        )
        counters = json.loads(sender.ask("drain", {"timeout_seconds": DRAIN_SECONDS}))
        setup.settle()
        wanted, found = wanted_of(read_truth(sender.ask("truth"))), found_in(name, database_url)
        requests = sender.counters()["api_requests"]
    wrong = wrong_rows(wanted, found)
    print(
        f"life: {name}{' asking' if asks else ''}: {len(wrong)} of {len(wanted)} rows wrong", file=sys.stderr
    )
    return {
        "events": counters["events"],
        "deliveries": counters["attempts"],
        "never_accepted": counters["outstanding"],
        "rows": len(wanted),
        "wrong": len(wrong),
        "wrong_and_says_so": sum(one.says_so for one in wrong),
        "says_so": len(found.unsure),
        "requests": requests,
        "examples": [str(one) for one in wrong[:SHOWN]],
    }


@contextmanager
def simulated(life: Life, *, port: int, webhook_port: int) -> Iterator[Sender]:
    """Run an account whose webhooks go to a port."""
    options = {
        "webhook": f"http://{LOCALHOST}:{webhook_port}{WEBHOOK_PATH}",
        "secret": SECRET,
        "seed": life.seed,
        "events": life.events,
        "rate": EVENTS_PER_SECOND,
        "customers": CUSTOMERS,
        "late-by": LATE_SECONDS,
        "api-key": SIMULATED_KEY,
        "port": port,
    }
    argv = (
        sys.executable,
        "-m",
        "cogento.local.stripe",
        *(f"--{name}={value}" for name, value in options.items()),
    )
    with running(argv, folder=ROOT):
        wait_until(lambda: not is_free(port), what="the simulated Stripe to listen", seconds=START_SECONDS)
        yield Sender(f"http://{LOCALHOST}:{port}/_sim", redis_url="")
