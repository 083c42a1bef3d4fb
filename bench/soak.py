"""A long run of simulated Stripe against the whole system: do the tables equal the truth at the end?

    .venv/bin/python -m bench.soak --minutes 10 --rate 200 --seed 1 --workers 4 --lost-share 0.01

Deliveries are shuffled within two seconds, one in twenty comes twice, one in fifty is up to a minute late, and
ties in one second are the normal case. Workers may not ask Stripe: lost events stay lost, and the rows must show what the other
events say. Prints a line every ten seconds and one JSON object at the end; exit code 1 when the checker finds a problem:
something unaccounted for, out of order, different from the truth, or unsure without need.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from tests.support.whole_system import WholeSystem, whole_system

if TYPE_CHECKING:
    from tests.support.sender import Verdict

DISORDER = {
    "window_seconds": 2,
    "late_share": 0.02,
    "late_seconds": 60,
    "duplicate_share": 0.05,
}
QUIET_SECONDS = 600
PROGRESS_SECONDS = 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--customers", type=int, default=200, help="simulated customers to grow to")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    parser.add_argument("--lost-share", type=float, default=0, help="share of events that never come")
    arguments = parser.parse_args()
    life = [f"--{name}={getattr(arguments, name)}" for name in ("rate", "customers", "seed")]
    with whole_system("--simulate", *life) as system:
        system.add_workers(arguments.workers - 1)
        system.sender.ask("disorder", DISORDER | {"lost_share": arguments.lost_share})
        live(system, minutes=arguments.minutes)
        system.sender.become_quiet(seconds=QUIET_SECONDS)
        verdict = system.check()
    print(json.dumps(summary(verdict)))
    return 1 if verdict.problems else 0


def live(system: WholeSystem, *, minutes: float) -> None:
    """Run the account, and print the progress."""
    until = time.monotonic() + minutes * 60
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(PROGRESS_SECONDS, left))
        status = system.sender.status()
        print(f"{left:5.0f} s left · waiting {status.waiting} · parked {status.parked}", file=sys.stderr)


def summary(verdict: Verdict) -> dict[str, Any]:
    """The verdict as plain values."""
    judgement = verdict.judgement
    comparison = judgement.comparison
    assert comparison is not None  # the whole system always has a truth
    return {
        "events": verdict.events,
        "lost": verdict.lost,
        "delivery_attempts": verdict.attempts,
        "answered_2xx": verdict.accepted,
        "unaccounted": len(judgement.unaccounted),
        "outcomes": dict(judgement.outcomes),
        "sources": dict(judgement.sources),
        "tried_again": judgement.tried_again,
        "users": comparison.users,
        "subscriptions": comparison.subscriptions,
        "rows_that_differ": len({(d.table, d.stripe_id) for d in comparison.differences}),
        "unsure_rows": judgement.unsure_rows,
        "unsure_rows_that_the_oracle_confirms": judgement.confirmed,
        "problems": verdict.problems,
    }


if __name__ == "__main__":
    raise SystemExit(main())
