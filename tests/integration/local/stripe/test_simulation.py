from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cogento.local.stripe.deliveries import DeliveryBackoff, Disorder, Endpoint
from cogento.local.stripe.http_server import serving
from cogento.local.stripe.shapes import DAHLIA, LEGACY
from cogento.local.stripe.simulation import Simulation, SimulationPlan
from cogento.local.stripe.truth import truth
from tests.support.receiving import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable

PROMPT = Disorder(window_seconds=0.02, late_share=0)
AT_ONCE = DeliveryBackoff(first_seconds=0.01, cap_seconds=0.02)
TIMEOUT_SECONDS = 10


def _simulated(receiver: Receiver, plan: SimulationPlan, act: Callable[[Simulation], object]) -> Simulation:
    """Run a simulation until the act is done and everything is delivered."""

    async def run() -> Simulation:
        async with serving(receiver.answer) as url, asyncio.timeout(TIMEOUT_SECONDS):
            simulation = Simulation(plan, Endpoint(url=url, secrets=("whsec_x",)))
            running = asyncio.create_task(simulation.run())
            act(simulation)
            while len(simulation.account.events) < (plan.most_events or 1):  # noqa: ASYNC110 - a count
                await asyncio.sleep(0.005)
            await simulation.deliveries.drain()
            running.cancel()
            await asyncio.wait([running])
            return simulation

    return asyncio.run(run())


def test_every_event_that_happened_is_received() -> None:
    receiver = Receiver([500, 200, 503])
    quiet = SimulationPlan(events_per_second=0, disorder=PROMPT, backoff=AT_ONCE)
    simulation = _simulated(receiver, quiet, lambda one: one.happen(300))
    assert {body["id"] for body in receiver.bodies} == {event.id for event in simulation.account.events}


def test_life_goes_on_by_itself_and_stops_when_it_was_told_to() -> None:
    lively = SimulationPlan(events_per_second=2000, most_events=100, disorder=PROMPT)
    simulation = _simulated(Receiver(), lively, lambda _: None)
    assert 100 <= len(simulation.account.events) < 120


def test_during_an_upgrade_every_event_comes_in_both_renderings() -> None:
    receiver = Receiver()
    upgrade = SimulationPlan(
        events_per_second=0, api_version=LEGACY, second_version=DAHLIA, disorder=PROMPT, backoff=AT_ONCE
    )
    _simulated(receiver, upgrade, lambda one: one.happen(50))
    old, new = (
        {body["id"] for body in receiver.bodies if body["api_version"] == version}
        for version in (LEGACY, DAHLIA)
    )
    assert old == new


def test_customers_there_from_the_start_are_in_the_truth_and_have_no_events() -> None:
    simulation = Simulation(
        SimulationPlan(existing=80), Endpoint(url="http://127.0.0.1:9", secrets=("whsec_x",))
    )
    known = truth(simulation.account)
    assert len([one for one in known.users if not one.deleted]) == 80
    assert [one for one in known.users if one.events] == []
    assert [one for one in known.subscriptions if one.events] == []
