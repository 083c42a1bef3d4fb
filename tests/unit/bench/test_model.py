"""The simulated system keeps the rules of the real one, and comes to what can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.model import Cost, Costs, Size, drain_rate, simulate

NOTHING = Cost(0.0, 0.0)
FREE = Costs(receive=0.0, sync=0.0, put=NOTHING, take=NOTHING, work=NOTHING, write=NOTHING, commit=0.0)


def test_a_lone_webhook_takes_its_steps_and_one_sync() -> None:
    costs = replace(FREE, receive=0.002, sync=0.003, put=Cost(0.001, 0.0005))
    outcome = simulate(costs, Size(), per_second=0.01, events=20)
    assert outcome.ack_p50 == pytest.approx(0.002 + 0.003 + 0.001 + 0.0005)


def test_a_lone_event_is_settled_after_claim_work_write_commit_and_settle() -> None:
    costs = replace(
        FREE, sync=0.003, take=Cost(0.002, 0.0), work=Cost(0.004, 0.0), write=Cost(0.005, 0.0), commit=0.006
    )
    outcome = simulate(costs, Size(), per_second=0.01, events=20)
    assert outcome.lag_p50 == pytest.approx(2 * 0.003 + 0.002 + 0.004 + 0.005 + 0.006)


def test_loops_of_one_worker_share_its_core() -> None:
    costs = replace(FREE, work=Cost(0.0, 0.001))
    assert drain_rate(costs, Size(loops=4), events=10_000) == pytest.approx(1_000, rel=0.01)


def test_further_workers_drain_as_much_each() -> None:
    costs = replace(FREE, work=Cost(0.0, 0.001))
    assert drain_rate(costs, Size(workers=4), events=10_000) == pytest.approx(4_000, rel=0.01)


def test_all_workers_share_the_cores_of_postgres() -> None:
    costs = replace(FREE, write=Cost(0.0, 0.001))
    rate = drain_rate(costs, Size(workers=8, postgres_cores=2), events=10_000)
    assert rate == pytest.approx(2_000, rel=0.01)


def test_a_second_redis_halves_what_each_has_to_do() -> None:
    costs = replace(FREE, put=Cost(0.0, 0.001))
    one, two = (
        simulate(costs, Size(receivers=4, redis=redis), per_second=500, events=5_000).busy["Redis"]
        for redis in (1, 2)
    )
    assert two == pytest.approx(one / 2, rel=0.1)
