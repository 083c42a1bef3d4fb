"""The simulation agrees with the formulas of queueing theory, where there are any."""

from __future__ import annotations

import math
from functools import partial
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING

import pytest

from bench.queueing import Gathering, Station, Timeline, arrive, percentile, poisson

if TYPE_CHECKING:
    from collections.abc import Callable

ARRIVALS = 30_000
SERVICE = 1.0


def waits(
    *, per_second: float, servers: int, service: Callable[[Random], float], seed: int = 3
) -> list[float]:
    """Simulate a station with random arrivals; how long each waited in line."""
    timeline, chance, waited = Timeline(), Random(seed), []
    station = Station(timeline, servers=servers)

    def come() -> None:
        came, seconds = timeline.now, service(chance)
        station.serve(seconds, lambda: waited.append(timeline.now - came - seconds))

    arrive(timeline, poisson(chance, per_second=per_second, number=ARRIVALS), come)
    timeline.run()
    return waited


def erlang_c_wait(*, per_second: float, servers: int) -> float:
    """Mean wait of M/M/c with a mean service of SERVICE."""
    load = per_second * SERVICE
    terms = [load**n / math.factorial(n) for n in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(terms) + last) * SERVICE / (servers - load)


def pollaczek_khinchine_wait(*, per_second: float) -> float:
    """Mean wait of M/D/1 with a service of SERVICE."""
    load = per_second * SERVICE
    return load * SERVICE / (2 * (1 - load))


@pytest.mark.parametrize(("servers", "load"), [(1, 0.6), (2, 0.7), (4, 0.8)])
def test_mean_wait_is_erlang_s_where_service_is_random(servers: int, load: float) -> None:
    simulated = waits(
        per_second=load * servers, servers=servers, service=lambda chance: chance.expovariate(1 / SERVICE)
    )
    assert fmean(simulated) == pytest.approx(
        erlang_c_wait(per_second=load * servers, servers=servers), rel=0.1
    )


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_mean_wait_is_pollaczek_s_and_khinchine_s_where_service_is_even(load: float) -> None:
    simulated = waits(per_second=load, servers=1, service=lambda _: SERVICE)
    assert fmean(simulated) == pytest.approx(pollaczek_khinchine_wait(per_second=load), rel=0.1)


def test_tail_of_waits_is_that_of_m_m_1() -> None:
    load = 0.8
    simulated = waits(per_second=load, servers=1, service=lambda chance: chance.expovariate(1 / SERVICE))
    assert percentile(simulated, 0.99) == pytest.approx(math.log(load / 0.01) / (1 - load), rel=0.15)


def test_a_station_counts_what_it_served() -> None:
    timeline = Timeline()
    station = Station(timeline, servers=2)
    station.serve(1.0, lambda: None)
    station.serve(3.0, lambda: None)
    timeline.run()
    assert station.busy_share() == pytest.approx(4 / 6)


def test_who_comes_first_is_served_first() -> None:
    timeline = Timeline()
    served: list[str] = []
    station = Station(timeline, servers=1)
    station.serve(2.0, lambda: served.append("first"))
    station.serve(1.0, lambda: served.append("second"))
    timeline.run()
    assert served == ["first", "second"]


def test_all_who_wait_share_the_next_round() -> None:
    timeline = Timeline()
    served: list[tuple[str, float]] = []
    disk = Gathering(timeline, round_seconds=10.0)
    for name in ("alone", "together", "as well"):
        disk.serve(1.0, partial(_note, served, name, timeline))
    timeline.run()
    assert served == [("alone", 11.0), ("together", 23.0), ("as well", 23.0)]
    assert disk.busy_share() == pytest.approx(3 / 23)


def _note(served: list[tuple[str, float]], name: str, timeline: Timeline) -> None:
    served.append((name, timeline.now))


def test_a_seed_repeats_a_run() -> None:
    def once() -> list[float]:
        return waits(per_second=0.8, servers=1, service=lambda chance: chance.expovariate(1.0))

    assert once() == once()
