"""One worker process put together: store, loops, periodic tasks, and their start and stop.

All of it are tasks of one event loop. Celery's threads cross to it in worker/app.py.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Self

import structlog

from cogento import VERSION, reporting
from cogento.events.fence import Fence
from cogento.metrics.declarations import TABLE_METRICS, measure, pack
from cogento.queue.checks import log_level
from cogento.queue.circuit import Dependency
from cogento.queue.claims import Limits
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.mailboxes import Mailboxes
from cogento.queue.redis_server import MAX_CONNECTIONS
from cogento.reconcile.poll import EventPoll
from cogento.reconcile.reconciliation import Reconciliation
from cogento.retries import INTERVALS, FailureClass
from cogento.store.connecting import greet_if_there
from cogento.store.errors import classify
from cogento.store.store import Store
from worker.auto_retry import DeadLetterAutoRetry
from worker.batch import BatchProcessor
from worker.heartbeat import WorkerHeartbeat
from worker.loop import BatchLinger, BatchSize, Wakeups, WorkerLoop, note_ambiguous, warn_ambiguous
from worker.outages import Backoff, LocalCircuit
from worker.paused_deletions import PausedDeletions
from worker.periodic import PeriodicTask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.metrics.declarations import Measured
    from cogento.settings import WorkerSettings

log = structlog.get_logger()

NAME = "cogento worker"
DRAIN_SECONDS = 20
TASK_SECONDS = 0.5
STOP_SECONDS = 28
"""All of a stop, connections closed: platforms kill after 30."""

FIGURES_SECONDS = 4.0
"""Postgres counts as away when its figures take longer: then somebody else's turn to read them comes."""

REDIS_SECONDS = 2.0
"""How long Redis may take to answer: longer than elsewhere, for decoding and deciding hold up the loop that listens."""

CUSTOMERS_PER_BATCH = 500


class WorkerProcess:
    """Processes events when it is woken, and looks for them without it; belongs to one event loop."""

    def __init__(
        self,
        settings: WorkerSettings,
        mailboxes: Mailboxes,
        store: Store,
        reconciliation: Reconciliation | None,
        wakeups: Wakeups,
        *,
        name: str,
    ) -> None:
        self._settings = settings
        self._member_statuses: frozenset[str] | None = settings.statuses_of_members
        self._mailboxes = mailboxes
        self._store = store
        self._reconciliation = reconciliation
        self._heartbeat = WorkerHeartbeat(
            mailboxes.workers,
            worker=name,
            version=VERSION,
            shards=settings.mailbox_shards,
            now_ms=mailboxes.now_ms,
            clock=time.monotonic,
        )
        loop_class, processor_class = WorkerLoop, BatchProcessor
        if reporting.is_tracing():
            from worker import traced  # noqa: PLC0415 - loads OpenTelemetry

            loop_class, processor_class = traced.TracedLoop, traced.TracedProcessor
        self._loop = loop_class(
            mailboxes,
            processor_class(store, now_ms=mailboxes.now_ms, jitter=random.random),
            circuit=LocalCircuit(
                mailboxes.circuit(Dependency.POSTGRES), probe=store.ping_write, jitter=random.random
            ),
            backoff=Backoff(clock=time.monotonic, jitter=random.random),
            size=BatchSize(CUSTOMERS_PER_BATCH, settings.batch_events, settings.lease_seconds),
            on_ambiguous=note_ambiguous if reconciliation else warn_ambiguous,
            heartbeat=self._heartbeat,
            linger=BatchLinger(clock=time.monotonic),
            fence=Fence(settings.stripe_livemode, settings.stripe_account),
        )
        self._inspection = mailboxes.inspection(lease_seconds=settings.lease_seconds)
        self._shard_move = mailboxes.shard_move()
        self._auto_retry = DeadLetterAutoRetry(store.letters, mailboxes)
        self._paused_deletions = PausedDeletions(store, mailboxes)
        self._wakeups = wakeups
        self._is_checked = False
        self._work: asyncio.Task[None] | None = None
        self._are_loops_done = asyncio.Event()

    @classmethod
    async def open(cls, settings: WorkerSettings) -> Self:
        """Put a worker together; Redis and Postgres may be away."""
        name = f"{socket.gethostname()}:{os.getpid()}"
        mailboxes = Mailboxes.connect(
            settings.redis_url.get_secret_value(),
            shards=settings.mailbox_shards,
            ack=settings.ack_durability,
            replicas=settings.ack_replicas,
            limits=Limits(settings.mailbox_customer_limit, settings.mailbox_total_limit),
            name=name,
            timeout_seconds=REDIS_SECONDS,
            max_connections=max(MAX_CONNECTIONS, settings.worker_concurrency),
        )
        store = await Store.open(
            settings.database_url.get_secret_value(),
            pool_size=settings.worker_concurrency + 1,
            application_name=NAME,
            keep_objects=settings.keep_objects,
        )
        wakeups, loop = Wakeups(), asyncio.get_running_loop()
        reconciliation = await Reconciliation.open(
            settings,
            mailboxes,
            name="cogento worker asks",
            wake_workers=lambda: loop.call_soon_threadsafe(wakeups.wake),
        )
        return cls(settings, mailboxes, store, reconciliation, wakeups, name=name)

    async def check(self) -> None:
        """Check Redis and Postgres; servers that are away are waited for.

        Raises MailboxRefused when Redis cannot keep the promise that is configured, and it or PostgresRefusedError when
        a server will not let us in as configured.
        """
        self._is_checked = await self._check_mailboxes()
        await greet_if_there(self._settings.database_url.get_secret_value(), application_name=NAME)

    async def start(self) -> None:
        """Begin to look for events."""
        self._work = asyncio.create_task(self._run())
        self._wakeups.wake()
        log.info("worker_started")

    async def wake(self) -> None:
        """Have what is ready processed now, unless every loop is at it already."""
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
        """Run everything until cancelled: loops first, and what is done at intervals when they have ended."""
        async with asyncio.TaskGroup() as tasks:
            for task in self._periodic_tasks():
                tasks.create_task(task.repeat(), name=task.name)
            try:
                async with asyncio.TaskGroup() as loops:
                    for slot in range(self._settings.worker_concurrency):
                        # A poll for each loop: a backlog that nobody announced keeps all of them busy.
                        poll = PeriodicTask(f"poll {slot + 1}", 0, self._process_when_woken)
                        loops.create_task(poll.repeat(), name=poll.name)
            finally:
                with suppress(MailboxUnavailable):
                    await self._heartbeat.stop()
                self._are_loops_done.set()

    async def _process_when_woken(self) -> None:
        """Process what is ready once there is a wake-up, or it is time to look without one."""
        await self._wakeups.wait(INTERVALS.poll_seconds)
        if not self._is_checked:
            self._is_checked = await self._check_mailboxes()
        if self._is_checked:
            await self._loop.run()

    def _periodic_tasks(self) -> Iterator[PeriodicTask]:
        maintain = partial(
            self._store.run_maintenance,
            retention_days=self._settings.ledger_retention_days,
            changes_days=self._settings.changes_retention_days,
        )
        yield PeriodicTask("inspection", INTERVALS.inspection_seconds, self._inspect)
        yield PeriodicTask("shard move", INTERVALS.shard_move_seconds, self._move_shards)
        yield PeriodicTask("figures", INTERVALS.figures_seconds, self._keep_figures)
        yield PeriodicTask("maintenance", INTERVALS.maintenance_seconds, maintain)
        yield PeriodicTask("dead letter retry", INTERVALS.letter_retry_seconds, self._auto_retry.run)
        yield PeriodicTask("repair", INTERVALS.repair_seconds, self._repair)
        deletions = self._apply_paused_deletions
        yield PeriodicTask("paused deletions", INTERVALS.paused_deletions_seconds, deletions)
        if self._reconciliation:
            yield PeriodicTask("refetch", INTERVALS.refetch_seconds, self._reconciliation.ask)
            if self._settings.stripe_poll_seconds is None:
                sweep = self._reconciliation.sweep_if_due
                yield PeriodicTask("missed events", INTERVALS.missed_events_seconds, sweep)
            else:
                every_seconds = self._settings.stripe_poll_seconds
                poll = EventPoll(self._reconciliation, every_seconds=every_seconds)
                yield PeriodicTask("event poll", every_seconds, poll.run)

    async def _close(self) -> None:
        await self._store.close()
        if self._reconciliation:
            await self._reconciliation.close()
        await self._mailboxes.close()

    async def _check_mailboxes(self) -> bool:
        """Say whether Redis is there; raises MailboxRefused when it promises too little."""
        try:
            log_level(await self._mailboxes.greet())
        except MailboxUnavailable as error:
            log.warning("mailboxes_unavailable", reason=str(error))
            return False
        return True

    async def _repair(self) -> None:
        """Decide on the members' statuses, once: the worker that started last has the newest. Then repair the rows.

        A release without these rules may have run until now, or run still; batches keep the rows right from here on.
        """
        if self._member_statuses is not None:
            before = await self._store.set_member_statuses(self._member_statuses)
            if before is not None:
                log.warning(
                    "member_statuses_changed", before=sorted(before), now=sorted(self._member_statuses)
                )
            self._member_statuses = None
        await self._store.sync_member_roles()
        for taken in await self._store.repair():
            log.warning("address_taken", reason=taken.message)

    async def _inspect(self) -> None:
        """Look for what Redis has lost; that it is away, the loops report."""
        with suppress(MailboxUnavailable):
            await self._inspection.run()

    async def _move_shards(self) -> None:
        with suppress(MailboxUnavailable):
            await self._shard_move.run()

    async def _apply_paused_deletions(self) -> None:
        with suppress(MailboxUnavailable):
            await self._paused_deletions.run()

    async def _keep_figures(self) -> None:
        """Keep what Postgres knows where receivers can show it, unless another worker does so just now."""
        with suppress(MailboxUnavailable):
            if await self._mailboxes.tables.begin():
                await self._mailboxes.tables.keep(pack(await self._read_tables()))

    async def _read_tables(self) -> Measured | None:
        try:
            async with asyncio.timeout(FIGURES_SECONDS):
                return measure(TABLE_METRICS, await self._store.figures())
        except Exception as error:
            if classify(error) is FailureClass.BUG:
                raise
            return None
