"""Several accounts in one simulated Stripe: each with a history, webhooks and faults of its own, all at one address.

The API distinguishes them by their keys, as Stripe does, and the control endpoints by the path. Keys and paths of the account
`default` carry no name; those of another account end with its name.
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
"""How many seeds an account takes: one each for its history, its deliveries and its faults."""


def account_key(key: str, account: str) -> str:
    """Return the key of an account; `key` is the default account's."""
    return key if account == DEFAULT_ACCOUNT else f"{key}_{account}"


def control_prefix(account: str) -> str:
    """Return the prefix of the paths that control an account's simulation."""
    return PREFIX if account == DEFAULT_ACCOUNT else f"{PREFIX}{account}/"


def account_webhook_url(url: str, account: str) -> str:
    """Return where an account's webhooks go; `url` is where the default account's go."""
    return url + webhook_path(account).removeprefix(WEBHOOK_PATH)


def share(plan: SimulationPlan, *, place: int, accounts: int) -> SimulationPlan:
    """Return the plan of one of several accounts: its share of the rate, and seeds that no other has."""
    return replace(
        plan, seed=plan.seed + SEEDS_EACH * place, events_per_second=plan.events_per_second / accounts
    )


class SimulatedAccount:
    """One account: its simulation, its API and its control endpoints."""

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
    """Make the handler of all accounts; the first one answers requests that name none of them."""
    api = of_several_accounts([one.api for one in accounts])
    controls = {one.control.prefix: one.control for one in accounts}

    async def answer(request: Request) -> Response:
        if not request.path.startswith(PREFIX):
            return await api(request)
        prefix = request.path.rpartition("/")[0] + "/"
        return await controls.get(prefix, accounts[0].control).answer(request)

    return answer


async def run_all(accounts: Sequence[SimulatedAccount]) -> None:
    """Run all accounts until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for one in accounts:
            tasks.create_task(one.simulation.run())
