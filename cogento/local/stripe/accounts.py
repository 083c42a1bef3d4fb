"""Several accounts in one simulated Stripe: each with a history, webhooks and faults of its own, all at one address.

The API tells them apart by their keys, as Stripe does, and what controls the simulation by the path. What the account
`default` has carries no name, and what another has ends with its own.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from cogento.accounts import DEFAULT_ACCOUNT, WEBHOOK_PATH, webhook_path
from cogento.local.stripe.api import Api, of_several_accounts
from cogento.local.stripe.control import PREFIX, Control
from cogento.local.stripe.errors import Faults
from cogento.local.stripe.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.local.stripe.deliveries import Endpoint
    from cogento.local.stripe.http_server import Handler, Request, Response
    from cogento.local.stripe.simulation import SimulationPlan

SEEDS_EACH = 3
"""How many seeds an account takes: its history's, the next one for its deliveries and that after for its faults."""


def account_key(key: str, account: str) -> str:
    """Return the key that leads to an account; `key` leads to the default one."""
    return key if account == DEFAULT_ACCOUNT else f"{key}_{account}"


def control_prefix(account: str) -> str:
    """Return what the paths begin with that control an account's simulation."""
    return PREFIX if account == DEFAULT_ACCOUNT else f"{PREFIX}{account}/"


def account_webhook_url(url: str, account: str) -> str:
    """Return where an account's webhooks go; `url` takes the default one's."""
    return url + webhook_path(account).removeprefix(WEBHOOK_PATH)


def share(plan: SimulationPlan, *, place: int, accounts: int) -> SimulationPlan:
    """Return the plan of one of several accounts: its share of the rate, and seeds that no other has."""
    return replace(
        plan, seed=plan.seed + SEEDS_EACH * place, events_per_second=plan.events_per_second / accounts
    )


class SimulatedAccount:
    """One account: its simulation, its API and what controls it."""

    def __init__(self, name: str, plan: SimulationPlan, endpoint: Endpoint, *, api_key: str) -> None:
        faults = Faults(Random(plan.seed + 2))
        self.simulation = Simulation(plan, endpoint)
        self.api = Api(
            self.simulation.account,
            self.simulation.deliveries,
            faults,
            api_key=api_key,
            now=lambda: int(time.time()),
        )
        self.control = Control(self.simulation, faults, self.api.requests, prefix=control_prefix(name))


def at_one_address(accounts: Sequence[SimulatedAccount]) -> Handler:
    """Make the handler of all accounts; what is meant for none of them the first one answers."""
    api = of_several_accounts([one.api for one in accounts])
    controls = {one.control.prefix: one.control for one in accounts}

    async def answer(request: Request) -> Response:
        if not request.path.startswith(PREFIX):
            return await api(request)
        prefix = request.path.rpartition("/")[0] + "/"
        return await controls.get(prefix, accounts[0].control).answer(request)

    return answer


async def run_all(accounts: Sequence[SimulatedAccount]) -> None:
    """Let all accounts live until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for one in accounts:
            tasks.create_task(one.simulation.run())
