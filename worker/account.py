"""What a worker process has for one account: mailboxes, tables, a loop, and periodic tasks.

Several accounts share the connections, and nothing else.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog

from cogento import VERSION, reporting
from cogento.accounts import working_for
from cogento.events.fence import Fence
from cogento.metrics.declarations import TABLE_METRICS, measure, pack
from cogento.queue.circuit import Dependency
from cogento.queue.errors import MailboxUnavailable
from cogento.reconcile.poll import EventPoll
from cogento.retries import INTERVALS, WAKEUP_WINDOW_MS, FailureClass
from cogento.store.errors import classify
from worker.account_loops import AWAKE_MS
from worker.auto_retry import DeadLetterAutoRetry
from worker.batch import BatchProcessor
from worker.heartbeat import WorkerHeartbeat
from worker.loop import BatchLinger, BatchSize, WorkerLoop, note_ambiguous, warn_ambiguous
from worker.outages import Backoff, LocalCircuit
from worker.paused_deletions import PausedDeletions
from worker.periodic import PeriodicTask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from cogento.metrics.declarations import Measured
    from cogento.queue.mailboxes import Mailboxes
    from cogento.reconcile.reconciliation import Reconciliation
    from cogento.settings import WorkerSettings
    from cogento.store.store import Store
    from worker.account_loops import RecentEvents

log = structlog.get_logger()

FIGURES_SECONDS = 4.0
"""Postgres counts as away when its figures take longer: another worker then reads them."""

CUSTOMERS_PER_BATCH = 500

MOST_SPREAD = 5
"""With several accounts each one is inspected, and its figures are read, up to this many times less often than a single account's."""


class AccountWork:
    """One account's part of a worker process; belongs to one event loop."""

    def __init__(
        self,
        settings: WorkerSettings,
        mailboxes: Mailboxes,
        store: Store,
        reconciliation: Reconciliation | None,
        *,
        worker: str,
        beside: RecentEvents | None = None,
        accounts: int = 1,
    ) -> None:
        self._settings = settings
        self._label = settings.account_label
        self._spread = min(accounts, MOST_SPREAD)
        self._member_statuses: frozenset[str] | None = settings.statuses_of_members
        self.mailboxes = mailboxes
        self.store = store
        self.reconciliation = reconciliation
        self.heartbeat = WorkerHeartbeat(
            mailboxes.workers,
            worker=worker,
            version=VERSION,
            shards=settings.mailbox_shards,
            now_ms=mailboxes.now_ms,
            clock=time.monotonic,
            account=self._label,
        )
        loop_class, processor_class = WorkerLoop, BatchProcessor
        if reporting.is_tracing():
            from worker import traced  # noqa: PLC0415 - loads OpenTelemetry

            loop_class, processor_class = traced.TracedLoop, traced.TracedProcessor
        together = {"together": partial(beside.note, settings.account)} if beside else {}
        self.loop = loop_class(
            mailboxes,
            processor_class(store, now_ms=mailboxes.now_ms, jitter=random.random),
            circuit=LocalCircuit(
                mailboxes.circuit(Dependency.POSTGRES), probe=store.ping_write, jitter=random.random
            ),
            backoff=Backoff(clock=time.monotonic, jitter=random.random),
            size=BatchSize(CUSTOMERS_PER_BATCH, settings.batch_events, settings.lease_seconds),
            on_ambiguous=note_ambiguous if reconciliation else warn_ambiguous,
            heartbeat=self.heartbeat,
            linger=BatchLinger(clock=time.monotonic, **together),
            fence=Fence(settings.stripe_livemode, settings.stripe_account),
            account=self._label,
            awake_ms=AWAKE_MS if beside else WAKEUP_WINDOW_MS,
        )
        self._inspection = mailboxes.inspection(lease_seconds=settings.lease_seconds)
        self._shard_move = mailboxes.shard_move()
        self._auto_retry = DeadLetterAutoRetry(store.letters, mailboxes)
        self._paused_deletions = PausedDeletions(store, mailboxes)

    def periodic_tasks(self) -> Iterator[PeriodicTask]:
        """Return the periodic tasks of the account."""
        for task in self._tasks():
            name = task.name if self._label is None else f"{task.name} of {self._label}"
            yield PeriodicTask(name, task.interval_seconds, partial(self._do, task.run))

    async def sign_off(self) -> None:
        """Settle or release what could not be until now, and unregister the worker, which stops; where Redis answers."""
        working_for.set(self._label)
        await self.loop.flush_pending_acks()
        with suppress(MailboxUnavailable):
            await self.heartbeat.stop()

    async def _do(self, work: Callable[[], Awaitable[object]]) -> None:
        working_for.set(self._label)
        await work()

    def _tasks(self) -> Iterator[PeriodicTask]:
        maintain = partial(
            self.store.run_maintenance,
            retention_days=self._settings.ledger_retention_days,
            changes_days=self._settings.changes_retention_days,
        )
        yield PeriodicTask("inspection", INTERVALS.inspection_seconds * self._spread, self._inspect)
        yield PeriodicTask("shard move", INTERVALS.shard_move_seconds, self._move_shards)
        yield PeriodicTask("figures", INTERVALS.figures_seconds * self._spread, self._keep_figures)
        yield PeriodicTask("maintenance", INTERVALS.maintenance_seconds, maintain)
        yield PeriodicTask("dead letter retry", INTERVALS.letter_retry_seconds, self._auto_retry.run)
        yield PeriodicTask("repair", INTERVALS.repair_seconds, self._repair)
        deletions = self._apply_paused_deletions
        yield PeriodicTask("paused deletions", INTERVALS.paused_deletions_seconds, deletions)
        if self.reconciliation:
            yield PeriodicTask("refetch", INTERVALS.refetch_seconds, self.reconciliation.ask)
            if self._settings.stripe_poll_seconds is None:
                sweep = self.reconciliation.sweep_if_due
                yield PeriodicTask("missed events", INTERVALS.missed_events_seconds, sweep)
            else:
                every_seconds = self._settings.stripe_poll_seconds
                poll = EventPoll(self.reconciliation, every_seconds=every_seconds)
                yield PeriodicTask("event poll", every_seconds, poll.run)

    async def _repair(self) -> None:
        """Set the statuses that make members, once: the worker that started last has the newest ones. Then repair the rows.

        A release without these rules may have run until now, or may still run; batches keep the rows right from now on.
        """
        if self._member_statuses is not None:
            before = await self.store.set_member_statuses(self._member_statuses)
            if before is not None:
                log.warning(
                    "member_statuses_changed", before=sorted(before), now=sorted(self._member_statuses)
                )
            self._member_statuses = None
        await self.store.sync_member_roles()
        for taken in await self.store.repair():
            log.warning("address_taken", reason=taken.message)

    async def _inspect(self) -> None:
        """Look for what Redis has lost; the loops report it when Redis is away."""
        with suppress(MailboxUnavailable):
            await self._inspection.run()

    async def _move_shards(self) -> None:
        with suppress(MailboxUnavailable):
            await self._shard_move.run()

    async def _apply_paused_deletions(self) -> None:
        with suppress(MailboxUnavailable):
            await self._paused_deletions.run()

    async def _keep_figures(self) -> None:
        """Keep Postgres's figures in Redis, where receivers can show them, unless another worker is doing so."""
        with suppress(MailboxUnavailable):
            if await self.mailboxes.tables.begin():
                await self.mailboxes.tables.keep(pack(await self._read_tables()))

    async def _read_tables(self) -> Measured | None:
        try:
            async with asyncio.timeout(FIGURES_SECONDS):
                return measure(TABLE_METRICS, await self.store.figures())
        except Exception as error:
            if classify(error) is FailureClass.BUG:
                raise
            return None
