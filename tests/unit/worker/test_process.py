"""The end of a worker process: what it still tells Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cogento.queue.errors import MailboxUnavailable
from cogento.queue.mailboxes import Mailboxes
from cogento.settings import WorkerSettings
from cogento.store.store import Store
from tests.support.fake_redis import FakeRedis, client_on
from tests.support.mailbox_builders import envelope
from tests.support.mailbox_harm import failing_half_way
from worker.account import AccountWork
from worker.loop import Wakeups
from worker.process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from worker.periodic import PeriodicTask

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
SETTINGS = WorkerSettings.model_validate({"redis_url": "redis://127.0.0.1:1", "database_url": NOWHERE})


class Idle(AccountWork):
    """An account's work without periodic tasks."""

    def periodic_tasks(self) -> Iterator[PeriodicTask]:
        return iter(())


class Running:
    """A worker process of two accounts on one Redis, both of which show it; Postgres is away."""

    def __init__(self, store: Store) -> None:
        first = Mailboxes(client_on(FakeRedis()), account="a")
        self.mailboxes = [first, first.of_account("b")]
        self.accounts = [Idle(SETTINGS, one, store, None, worker="w", accounts=2) for one in self.mailboxes]
        self.process = WorkerProcess(self.accounts, Wakeups(), SETTINGS, store)

    async def start(self) -> None:
        for account in self.accounts:
            await account.heartbeat.beat()
        await self.process.start()
        await asyncio.sleep(0)

    async def shown(self) -> list[int]:
        return [len(await one.workers.seen()) for one in self.mailboxes]


async def started() -> Running:
    running = Running(await Store.open(NOWHERE, pool_size=1, application_name="test"))
    await running.start()
    return running


async def fail(*_: object) -> None:
    raise MailboxUnavailable("Redis: TimeoutError")


def test_a_worker_that_stops_is_no_longer_shown_by_accounts_whose_servers_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> tuple[list[int], list[int]]:
        running = await started()
        before = await running.shown()
        monkeypatch.setattr(running.mailboxes[0].workers, "unregister", fail)
        await running.process.stop()
        return before, await running.shown()

    assert asyncio.run(scenario()) == ([1, 1], [1, 0])


def test_a_worker_that_stops_gives_back_what_redis_did_not_take_before() -> None:
    async def scenario() -> tuple[int, int]:
        running = await started()
        mailboxes, loop = running.mailboxes[1], running.accounts[1].loop
        await mailboxes.put([envelope()])
        loop.ask_to_stop()
        with failing_half_way("release", writes=0):
            await loop.take_turn()
        leased = (await mailboxes.status()).leased
        await running.process.stop()
        return leased, (await mailboxes.status()).leased

    assert asyncio.run(scenario()) == (1, 0)
