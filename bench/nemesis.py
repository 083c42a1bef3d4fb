"""Random faults from a seed while the simulated Stripe sends and retries: checks that nothing is lost, late or out of order.

    .venv/bin/python -m bench.nemesis --minutes 30 --rate 300 --seed 1

With `--cluster` the mailboxes lie on three masters with a replica each (tests/support/cluster_nemesis.py), and the level of
acknowledgement is redis_replicated: masters die, freeze, hand over to replicas and lose the connection to them, shards move from
master to master, and the number of shards changes.

Kills, freezes, restarts, power cuts, cut connections, jumping clocks, keys that are lost and a policy that lets
events be thrown away (tests/support/nemesis.py), acknowledged at the level redis_fsync. Prints its seed, a line every ten seconds, and one JSON object at the end; exit code 1 when the
checker finds a problem or an event was never accepted. `--seed`, or SEED in the environment, gives the same faults
again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

from redis.exceptions import RedisError

from bench.soak import summary
from cogento.queue.errors import MailboxUnavailable
from tests.support.cluster_nemesis import CLUSTER_FAULTS
from tests.support.nemesis import FAULTS, Nemesis
from tests.support.stack import ClusterStack, Size, Stack, running_cluster_stack, running_stack

# An event whose rows a frozen worker has locked is tried in place for longer than some freezes last.
ATTEMPTS_ALLOWED = 2
QUIET_SECONDS = 120  # I7: a backlog of a minute, and a lease that has to run out first
PROGRESS_SECONDS = 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=300)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED", "1")))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cluster", action="store_true", help="three masters and three replicas")
    asked = parser.parse_args()
    print(f"SEED={asked.seed}", flush=True)
    size = Size(rate=asked.rate, workers=asked.workers)
    starting = running_cluster_stack if asked.cluster else running_stack
    with starting(seed=asked.seed, size=size) as stack:
        result = run(stack, minutes=asked.minutes, seed=asked.seed)
    print(json.dumps({"seed": asked.seed, "minutes": asked.minutes, "rate": asked.rate, **result}))
    return 1 if result["problems"] else 0


def run(stack: Stack, *, minutes: float, seed: int) -> dict[str, Any]:
    """Inject faults for `minutes`, end them, wait until the system is quiet, and judge."""
    faults = CLUSTER_FAULTS if isinstance(stack, ClusterStack) else FAULTS
    nemesis = Nemesis(stack, seed=seed, faults=faults)
    torment(stack, nemesis, minutes=minutes)
    nemesis.lift()
    stack.sender.ask("stop", {})
    begun = time.monotonic()
    stack.sender.become_quiet(seconds=QUIET_SECONDS)
    quiet_after = round(time.monotonic() - begun, 1)
    result = summary(stack.check(attempts_allowed=ATTEMPTS_ALLOWED))
    gave_up = [f"{name} ended by itself: {times} times" for name, times in nemesis.gave_up.items()]
    return {
        "faults": dict(sorted(nemesis.done.items())),
        "quiet_after_seconds": quiet_after,
        **result,
        "problems": [*result["problems"], *gave_up],
    }


def torment(stack: Stack, nemesis: Nemesis, *, minutes: float) -> None:
    """Inject the faults, and print the progress."""
    until = time.monotonic() + minutes * 60
    while (left := until - time.monotonic()) > 0:
        nemesis.spend(min(PROGRESS_SECONDS, left))
        sent = stack.sender.counters()
        print(
            f"{left:5.0f} s left · {nemesis.done.total()} faults · {sent['events']} events, "
            f"{sent['outstanding']} deliveries outstanding · {waiting(stack)} waiting",
            file=sys.stderr,
            flush=True,
        )


def waiting(stack: Stack) -> str:
    """Say how many events wait, or that it is not known now."""
    try:
        return str(stack.sender.status().waiting)
    except (MailboxUnavailable, RedisError):
        return "?"


if __name__ == "__main__":
    raise SystemExit(main())
