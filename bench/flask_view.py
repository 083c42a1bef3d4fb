"""What the receiver's Flask view costs under gunicorn's threads, beside the fast path that the Procfile starts.

    .venv/bin/python -m bench.flask_view --events 2000 --rounds 5

Real processes, one of each kind, `redis_fsync`, distinct signed events of 3 to 4 KB: signature, decoding and put included.
"""

from __future__ import annotations

import argparse

from bench.ground import ground
from bench.receiver import highest_rate
from bench.rounds import medians
from bench.serving import RECEIVER, VIEW


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=2_000, help="events of a flood")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    medians(lambda: one_round(arguments.events), rounds=arguments.rounds)


def one_round(events: int) -> dict[str, float]:
    """Rates, CPU time per event, and the ratios of both."""
    with ground() as servers:
        fast, view = highest_rate(RECEIVER, servers, events), highest_rate(VIEW, servers, events)
    return {
        "fast_path_per_s": fast["per_s"],
        "view_per_s": view["per_s"],
        "fast_path_over_view_per_s": fast["per_s"] / view["per_s"],
        "fast_path_cpu_us": fast["cpu_us"],
        "view_cpu_us": view["cpu_us"],
        "view_over_fast_path_cpu": view["cpu_us"] / fast["cpu_us"],
    }


if __name__ == "__main__":
    main()
