"""One worker process put together: store, loops, periodic tasks, and their start and stop.

All of these are tasks of one event loop. Celery's threads cross to it in worker/app.py.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import structlog

from cogento.queue.checks import log_level
from cogento.queue.claims import Limits
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.mailboxes import Mailboxes
from cogento.queue.redis_server import MAX_CONNECTIONS
from cogento.reconcile.reconciliation import CONNECTIONS, Reconciliation
from cogento.retries import INTERVALS
from cogento.store.connecting import check_connection_if_there
from cogento.store.store import Store
from worker.account import AccountWork
from worker.account_loops import AccountLoops, RecentEvents
from worker.loop import Wakeups, WorkerLoop
from worker.periodic import PeriodicTask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.settings import WorkerSettings

log = structlog.get_logger()

NAME = "cogento worker"
DRAIN_SECONDS = 20
TASK_SECONDS = 0.5
STOP_SECONDS = 28
"""How long a whole stop may take, with connections closed: platforms kill after 30 s."""

REDIS_SECONDS = 2.0
"""How long Redis may take to answer: longer than elsewhere, because decoding and deciding hold up the loop that reads the answer."""

SIGN_OFF_SECONDS = 3 * REDIS_SECONDS
"""How long the last requests to a Redis that does not answer may take, those of all accounts together."""


class WorkerProcess:
    """Processes events when it is woken, and looks for them without it; belongs to one event loop."""

    def __init__(
        self, accounts: Sequence[AccountWork], wakeups: Wakeups, settings: WorkerSettings, asking: Store
    ) -> None:
        self._accounts = accounts
        self._asking = asking
        self._loops: WorkerLoop | AccountLoops = accounts[0].loop
        if len(accounts) > 1:
            self._loops = AccountLoops([one.loop for one in accounts], wakeups, clock=time.monotonic)
        self._wakeups = wakeups
        self._settings = settings
        self._is_checked = False
        self._work: asyncio.Task[None] | None = None
        self._are_loops_done = asyncio.Event()

    @classmethod
    async def open(cls, *each: WorkerSettings) -> Self:
        """Put one process together for the settings of each account; Redis and Postgres may be away."""
        worker = f"{socket.gethostname()}:{os.getpid()}"
        stores = await _open_stores(each, NAME, pool_size=each[0].worker_concurrency + 1)
        asking = await _open_stores(each, f"{NAME} asks", pool_size=CONNECTIONS)
        wakeups, loop = Wakeups(), asyncio.get_running_loop()
        together = RecentEvents(time.monotonic) if len(each) > 1 else None

        def wake() -> None:
            loop.call_soon_threadsafe(wakeups.wake)

        accounts = [
            AccountWork(
                settings,
                mailboxes,
                store,
                Reconciliation.of(settings, mailboxes, asks, wake_workers=wake),
                worker=worker,
                beside=together,
                accounts=len(each),
            )
            for settings, mailboxes, store, asks in zip(
                each, _connect_mailboxes(each, worker), stores, asking, strict=True
            )
        ]
        return cls(accounts, wakeups, each[0], asking[0])

    async def check(self) -> None:
        """Check Redis and Postgres; servers that are away are waited for.

        Raises MailboxRefused when Redis cannot keep the promise that is configured or does not let us in as configured, and
        PostgresRefusedError when Postgres does not let us in.
        """
        self._is_checked = await self._check_mailboxes()
        await check_connection_if_there(self._settings.database_url.get_secret_value(), application_name=NAME)

    async def start(self) -> None:
        """Begin to look for events."""
        self._work = asyncio.create_task(self._run())
        self._wakeups.wake()
        log.info("worker_started")

    async def wake(self) -> None:
        """Have what is ready processed now, unless every loop is busy already."""
        self._wakeups.wake()

    async def stop(self) -> None:
        """Finish the batches under way, claim no more, and close the connections."""
        if self._work is not None:
            self._work.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._are_loops_done.wait()
            await asyncio.wait({self._work}, timeout=TASK_SECONDS)
            if self._work.done():
                await self._close()
        log.info("worker_stopped")

    async def _run(self) -> None:
        """Run everything until cancelled; then end the loops first, and the periodic tasks after them."""
        async with asyncio.TaskGroup() as tasks:
            for account in self._accounts:
                for task in account.periodic_tasks():
                    tasks.create_task(task.repeat(), name=task.name)
            try:
                async with asyncio.TaskGroup() as loops:
                    for slot in range(self._settings.worker_concurrency):
                        # One poll for each loop, so that a backlog without wake-ups keeps all of them busy.
                        poll = PeriodicTask(f"poll {slot + 1}", 0, self._process_when_woken)
                        loops.create_task(poll.repeat(), name=poll.name)
            finally:
                await self._sign_off()
                self._are_loops_done.set()

    async def _process_when_woken(self) -> None:
        """Process what is ready after each wake-up, or when it is time to poll without one."""
        await self._wakeups.wait(INTERVALS.poll_seconds)
        if not self._is_checked:
            self._is_checked = await self._check_mailboxes()
        if self._is_checked:
            await self._loops.run()

    async def _sign_off(self) -> None:
        """Sign off for each account, also where that fails for others; what Redis does not take in a moment is left."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SIGN_OFF_SECONDS):
                await asyncio.gather(*(account.sign_off() for account in self._accounts))

    async def _close(self) -> None:
        for account in self._accounts:
            if account.reconciliation:
                await account.reconciliation.stop()
        await self._asking.close()  # last, for closing waits for connections that are in use
        await self._accounts[0].store.close()
        await self._accounts[0].mailboxes.close()

    async def _check_mailboxes(self) -> bool:
        """Tell whether Redis answers; raises MailboxRefused when it promises too little."""
        try:
            facts = [await account.mailboxes.check_at_start() for account in self._accounts]
        except MailboxUnavailable as error:
            log.warning("mailboxes_unavailable", reason=str(error))
            return False
        log_level(facts[0])
        return True


def _connect_mailboxes(each: Sequence[WorkerSettings], worker: str) -> list[Mailboxes]:
    """Return each account's mailboxes, over the same connections."""
    settings = each[0]
    first = Mailboxes.connect(
        settings.redis_url.get_secret_value(),
        shards=settings.mailbox_shards,
        ack=settings.ack_durability,
        replicas=settings.ack_replicas,
        limits=Limits(settings.mailbox_customer_limit, settings.mailbox_total_limit),
        name=worker,
        timeout_seconds=REDIS_SECONDS,
        max_connections=max(MAX_CONNECTIONS, settings.worker_concurrency),
        account=settings.account,
    )
    return [first, *(first.of_account(one.account) for one in each[1:])]


async def _open_stores(each: Sequence[WorkerSettings], name: str, *, pool_size: int) -> list[Store]:
    """Return each account's store, over as many connections as one account has."""
    first = await Store.open(
        each[0].database_url.get_secret_value(),
        pool_size=pool_size,
        application_name=name,
        keep_objects=each[0].keep_objects,
        schemas=len(each),
    )
    return [first, *(first.in_schema(one.database_schema) for one in each[1:])]
