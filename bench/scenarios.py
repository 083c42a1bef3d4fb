"""The simulations for docs/scaling.md: ten, a hundred, a thousand times the load, and a growing load on the same system.

.venv/bin/python -m bench.scenarios           # from docs/scaling/results.json
.venv/bin/python -m bench.scenarios --save    # keeps what came of it there, and writes the page
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from bench import capacity, scaling_page
from bench.crew import CREWS
from bench.model import BATCH_EVENTS, Cost, Costs, Size, drain_rate, simulate
from bench.scaling_tables import BASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.capacity import Results

    Figures = Mapping[str, float]

TIMES = (1, 10, 100, 1_000, 3_000)
EVENTS = 20_000
DISK_RATE, DISKS_MS = 1_000, (0.1, 1, 10, 30)
CURVE = (125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)
FULL_SHARE = 0.97
RECEIVERS = {
    f"{one} receiver{'s' * (one > 1)}": Size(receivers=one, workers=16, postgres_cores=16)
    for one in (1, 2, 4)
}
WORKERS = {
    f"{one} worker{'s' * (one > 1)}": Size(receivers=16, workers=one, redis=4, postgres_cores=16)
    for one in (1, 2, 4)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--save", action="store_true", help="keep the figures and write docs/scaling.md")
    arguments = parser.parse_args()
    results = scaling_page.kept()
    figures = {"simulated": simulated(results)}
    print(json.dumps(figures))
    if arguments.save:
        scaling_page.save(figures)


def simulated(results: Results) -> dict[str, object]:
    """The figures of all scenarios, times in milliseconds."""
    costs = costs_of(results)
    return {
        "times": {str(times): times_the_load(results, times) for times in TIMES},
        "answers": {name: dict(curve(costs, size, "ack_p99_ms")) for name, size in RECEIVERS.items()},
        "drains": {
            name: round(drain_rate(costs, Size(workers=crew.workers, loops=crew.loops), events=EVENTS), 1)
            for name, crew in CREWS.items()
        },
        "answers_at": {rate: at_rate(costs, Size(), float(rate)) for rate in results.get("answers", {})},
        "disks": {
            str(ms): at_rate(replace(costs, sync=ms / 1000, commit=ms / 1000), Size(), DISK_RATE)
            for ms in DISKS_MS
        },
        "lag": {name: dict(curve(costs, size, "lag_p99_ms")) for name, size in WORKERS.items()},
    }


def costs_of(results: Results) -> Costs:
    """Return the measured costs in seconds; a worker process takes more for an event than the steps by themselves."""
    us = results["steps"]

    def cost(*names: str) -> Cost:
        return Cost(*(sum(us[f"{name}_{part}"] for name in names) / 1e6 for part in ("call", "event")))

    batch = cost("take_ours", "read_ours", "apply_ours")
    return Costs(
        receive=capacity.spent(results).receiver / 1e6,
        sync=us["sync"] / 1e6,
        put=cost("put_valkey"),
        take=cost("take_valkey"),
        work=replace(batch, event=capacity.spent(results).worker / 1e6 - batch.call / BATCH_EVENTS),
        write=cost("apply_postgres"),
        commit=us["commit"] / 1e6,
    )


def size_for(results: Results, rate: float) -> Size:
    """Return the number of each process that the rate takes when cores may be busy only for a share of their time."""
    us = capacity.spent(results)
    return Size(
        receivers=capacity.cores(us.receiver, rate),
        workers=capacity.cores(us.worker, rate),
        redis=capacity.cores(us.redis, rate),
        postgres_cores=capacity.cores(us.postgres, rate),
    )


def times_the_load(results: Results, times: int) -> dict[str, float]:
    """Simulate `times` times BASE events a second on a system of the size for that rate."""
    rate = BASE * times
    size = size_for(results, rate)
    return {**asdict(size), **at_rate(costs_of(results), size, rate)}


def at_rate(costs: Costs, size: Size, rate: float) -> dict[str, float]:
    """What came of a rate: milliseconds, and the busy shares."""
    outcome = simulate(costs, size, per_second=rate, events=max(EVENTS, 2 * int(rate)))
    times = {
        f"{name}_ms": getattr(outcome, name) * 1000 for name in ("ack_p50", "ack_p99", "lag_p50", "lag_p99")
    }
    busy = {f"busy_{name.lower()}": share for name, share in outcome.busy.items()}
    return {name: round(figure, 3) for name, figure in {**times, **busy}.items()}


def curve(costs: Costs, size: Size, figure: str) -> Iterator[tuple[str, float]]:
    """A figure over the load, up to the load at which a resource is saturated."""
    for rate in CURVE:
        if busiest_share(costs, size, rate) < FULL_SHARE:
            yield str(rate), at_rate(costs, size, rate)[figure]


def busiest_share(costs: Costs, size: Size, rate: float) -> float:
    """How much of the busiest resource a rate takes when calls and batches are large."""
    return rate * max(
        costs.receive / size.receivers,
        (costs.put.event + costs.take.event) / size.redis,
        costs.work.event / size.workers,
        costs.write.event / size.postgres_cores,
    )


if __name__ == "__main__":
    main()
