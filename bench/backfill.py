"""How fast `cogento backfill` fills empty tables from a simulated account and `cogento verify` compares them, and that both are right.

    .venv/bin/python -m bench.backfill                                       # 100,000 customers, the pace lifted
    .venv/bin/python -m bench.backfill --customers 5000 --budget 20 --kills 3   # at the usual pace, killed on the way

Ends with 1 when the tables differ from Stripe, or when Stripe was asked more often in a second than the budget allows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import psycopg

from bench.ground import cpu_seconds, ground
from cogento.local.ports import LOCALHOST, free_port
from cogento.local.process import Command, Process
from cogento.local.services import ROOT
from cogento.local.stripe.compare import compare
from cogento.local.stripe.truth import read_truth
from tests.support.servers import wait_until
from tests.support.simulated_stripe import askable
from tests.support.stripe_asking import KEY

if TYPE_CHECKING:
    from bench.ground import Ground

POPULATE_SECONDS = 1800
LIFTED = 10_000
LOOK_SECONDS = 0.05


@dataclass(slots=True)
class Used:
    """What the process had used when it was last measured."""

    cpu_seconds: float = 0.0
    peak_mb: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--budget", type=int, default=LIFTED, help="requests a second")
    parser.add_argument("--kills", type=int, default=0, help="how often it is killed before it ends")
    arguments = parser.parse_args()
    with ground() as servers:
        url = f"http://{LOCALHOST}:{free_port()}"
        stripe = simulated(servers, url, arguments.customers)
        try:
            figures = measure(servers, url, budget=arguments.budget, kills=arguments.kills)
        finally:
            stripe.kill()
    print(json.dumps(figures))
    too_fast = figures["busiest_second"] > arguments.budget
    return 1 if figures["differences"] or figures["verify_exit_code"] or too_fast else 0


def simulated(servers: Ground, url: str, customers: int) -> Process:
    """Run an account with `customers` live customers in which nothing more happens."""
    log = servers.postgres.description.log.with_name("stripe.log")
    port = url.rpartition(":")[2]
    options = ("--existing", str(customers), "--rate", "0", "--port", port, "--api-key", KEY)
    process = Process(
        Command(
            argv=(sys.executable, "-m", "cogento.local.stripe", *options),
            log=log,
            environment={},
            folder=ROOT,
        )
    )
    wait_until(
        lambda: log.exists() and '"api_url"' in log.read_text(),
        what="the simulated account",
        seconds=POPULATE_SECONDS,
    )
    return process


def measure(servers: Ground, url: str, *, budget: int, kills: int) -> dict[str, Any]:
    """Fill the tables, and compare them with the account."""
    begun, used = time.monotonic(), Used()
    for kill in range(kills):
        rows_then = rows(servers) + 100 * (kill + 1)
        run(servers, url, budget, used, until_rows=rows_then)
    run(servers, url, budget, used)
    seconds = time.monotonic() - begun
    begun, verifying = time.monotonic(), Used()
    verdict = run(servers, url, budget, verifying, command="verify")
    verify_seconds = time.monotonic() - begun
    counters = json.loads(fetched(f"{url}/_sim/counters"))
    truth = read_truth(fetched(f"{url}/_sim/truth"))
    found = asyncio.run(compare(servers.postgres.url, truth))
    return {
        "users": found.users,
        "subscriptions": found.subscriptions,
        "seconds": round(seconds, 1),
        "objects_a_second": round(found.rows / seconds),
        "cpu_us_an_object": round(used.cpu_seconds / found.rows * 1e6),
        "peak_mb": round(used.peak_mb),
        "requests": counters["api_requests"],
        "busiest_second": counters["api_requests_busiest_second"],
        "differences": len(askable(found.differences, truth)),
        "unsure": found.unsure_rows,
        "verify_exit_code": verdict,
        "verify_seconds": round(verify_seconds, 1),
        "verify_peak_mb": round(verifying.peak_mb),
    }


def run(
    servers: Ground,
    url: str,
    budget: int,
    used: Used,
    *,
    command: str = "backfill",
    until_rows: int | None = None,
) -> int | None:
    """Run a command to its end, or kill it once there are `until_rows` rows; returns its exit code, None if it was killed."""
    environment = {
        "DATABASE_URL": servers.postgres.url,
        "REDIS_URL": servers.valkey.url,
        "STRIPE_API_KEY": KEY,
        "STRIPE_API_BASE": url,
        "STRIPE_REQUESTS_PER_SECOND": str(budget),
    }
    log = servers.postgres.description.log.with_name(f"{command}.log")
    argv = (sys.executable, "-m", "cogento", command)
    process = Process(Command(argv=argv, log=log, environment=environment, folder=ROOT))
    spent = 0.0
    while process.exit_code() is None:
        spent = max(spent, cpu_seconds(process.pid))
        used.peak_mb = max(used.peak_mb, peak_mb(process.pid))
        if until_rows is not None and rows(servers) >= until_rows:
            process.kill()
        time.sleep(LOOK_SECONDS)
    used.cpu_seconds += spent
    if until_rows is None:
        print(log.read_text(), file=sys.stderr)
    return process.exit_code()


def rows(servers: Ground) -> int:
    """Return how many rows there are now."""
    with psycopg.connect(servers.postgres.url) as connection:
        (found,) = connection.execute(
            "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM subscriptions)"
        ).fetchone() or (0,)
        return int(found)


def peak_mb(pid: int) -> float:
    """Return the most resident memory that a process has had so far."""
    try:
        status = (Path("/proc") / str(pid) / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    _, _, rest = status.partition("VmHWM:")
    return int(rest.split()[0]) / 1024 if rest else 0.0


def fetched(url: str) -> bytes:
    """Read what the simulated account says of itself."""
    with urlopen(url, timeout=600) as answer:
        content: bytes = answer.read()
        return content


if __name__ == "__main__":
    raise SystemExit(main())
