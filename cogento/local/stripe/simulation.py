"""The simulated Stripe put together: an account with events at a rate, and webhooks to an endpoint.

The clock is read here. Everything random is seeded; only the time at which something happens, and so the second that it is
stamped with, depends on the machine.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from random import Random

from cogento.local.stripe.account import Account, Burst
from cogento.local.stripe.activity import AccountActivity
from cogento.local.stripe.deliveries import Deliveries, DeliveryBackoff, Disorder, Endpoint
from cogento.local.stripe.events import Payloads, thin_body, thin_id, webhook_body
from cogento.local.stripe.objects import SECONDS_A_DAY
from cogento.local.stripe.shapes import DAHLIA
from cogento.local.stripe.subscription_actions import subscribe_again

_TICK_SECONDS = 0.01
_MAX_STEP_SECONDS = 0.01
_PAST_DAYS = (400, 31)
_SECOND_SUBSCRIPTION_SHARE = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationPlan:
    """What to simulate; `existing` customers are there from the start, older than any event listed.

    `second_version` is the version of a second endpoint at the same address, as during an upgrade: it gets every event as well,
    in its own version.
    """

    seed: int = 1
    events_per_second: float = 5.0
    population: int = 200
    existing: int = 0
    most_events: int | None = None
    api_version: str = DAHLIA
    second_version: str | None = None
    payloads: Payloads = Payloads.SNAPSHOT
    disorder: Disorder = field(default_factory=Disorder)
    backoff: DeliveryBackoff = field(default_factory=DeliveryBackoff)


class Simulation:
    """One account, its activity and its webhooks; `run` is its process, the rest may be called meanwhile."""

    def __init__(self, plan: SimulationPlan, endpoint: Endpoint) -> None:
        self.account = Account(Random(plan.seed), api_version=plan.api_version)
        self.activity = AccountActivity(self.account, population=max(plan.population, plan.existing))
        self.deliveries = Deliveries(
            endpoint, Random(plan.seed + 1), disorder=plan.disorder, backoff=plan.backoff
        )
        self.events_per_second = plan.events_per_second
        self.second_version = plan.second_version
        self.payloads = plan.payloads
        self.is_running = True
        self._events_left = float("inf") if plan.most_events is None else plan.most_events
        self._populate(plan.existing)

    async def run(self) -> None:
        """Make events and deliver them until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.deliveries.run())
            tasks.create_task(self._make_events())

    def happen(self, events: int) -> int:
        """Let at least so many events happen at once; returns how many did."""
        happened = 0
        while happened < events:
            happened += self._step()
        return happened

    def _step(self) -> int:
        events = self.activity.step(int(time.time()))
        for event in events:
            if self.payloads is not Payloads.SNAPSHOT:
                self.deliveries.send_thin(thin_id(event), thin_body(event))
            if self.payloads is Payloads.THIN:
                continue
            self.deliveries.send(event.id, webhook_body(event))
            if self.second_version is not None:
                self.deliveries.send(event.id, webhook_body(event, api_version=self.second_version))
        return len(events)

    async def _make_events(self) -> None:
        """Keep the rate on average, because events come in bursts.

        After a stall at most one second is caught up, and deliveries get their share of the loop even when this process cannot
        make events at the rate asked for.
        """
        due, last = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            due = min(due + self.events_per_second * (now - last), max(self.events_per_second, 1.0))
            last = now
            if not self.is_running:
                due = 0.0
            while due >= 1 and self._events_left > 0 and time.monotonic() < now + _MAX_STEP_SECONDS:
                happened = self._step()
                due -= happened
                self._events_left -= happened

    def _populate(self, existing: int) -> None:
        if not existing:
            return
        first, last = (int(time.time()) - days * SECONDS_A_DAY for days in _PAST_DAYS)
        stride = max(1, (last - first) // (existing * 3))
        at = first
        while len(self.account.live_customers) < existing:
            self.activity.step(at)
            if self.account.random.random() < _SECOND_SUBSCRIPTION_SHARE:
                subscribe_again(Burst(self.account, at))
            at = min(at + stride, last)
            self.account.forget_events()
