"""One worker process put together: store, loops, periodic tasks, and their start and stop."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog

from cogento import VERSION, runtime
from cogento.events.fence import Fence
from cogento.metrics.declarations import TABLE_METRICS, measure, pack
from cogento.queue.checks import log_level
from cogento.queue.circuit import Dependency
from cogento.queue.claims import Limits
from cogento.queue.errors import MailboxRefused, MailboxUnavailable
from cogento.queue.mailboxes import Mailboxes
from cogento.reconcile.reconciliation import Reconciliation
from cogento.retries import INTERVALS, FailureClass
from cogento.settings import refuse
from cogento.store.errors import PostgresRefusedError, classify
from worker.auto_retry import DeadLetterAutoRetry
from worker.batch import BatchProcessor
from worker.heartbeat import WorkerHeartbeat
from worker.loop import BatchLinger, BatchSize, LoopPool, WorkerLoop, note_ambiguous, warn_ambiguous
from worker.outages import Backoff, LocalCircuit
from worker.periodic import PeriodicTask, PeriodicTasks
from worker.store import greet, open_store

if TYPE_CHECKING:
    from cogento.metrics.declarations import Measured
    from cogento.settings import WorkerSettings

log = structlog.get_logger()

DRAIN_SECONDS = 20
TASK_SECONDS = 0.5
CUSTOMERS_PER_BATCH = 500


class WorkerProcess:
    """Processes events when it is woken, and looks for them without it."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._database_url = settings.database_url.get_secret_value()
        self._member_statuses: frozenset[str] | None = settings.statuses_of_members
        name = f"{socket.gethostname()}:{os.getpid()}"
        self._mailboxes = Mailboxes.connect(
            settings.redis_url.get_secret_value(),
            shards=settings.mailbox_shards,
            ack=settings.ack_durability,
            limits=Limits(settings.mailbox_customer_limit, settings.mailbox_total_limit),
            name=name,
        )
        self._store = open_store(
            self._database_url,
            pool_size=settings.worker_concurrency + 1,
        )
        self._heartbeat = WorkerHeartbeat(
            self._mailboxes.workers,
            worker=name,
            version=VERSION,
            now_ms=self._mailboxes.now_ms,
            clock=time.monotonic,
        )
        self._reconciliation = Reconciliation.open(settings, self._mailboxes, name="cogento worker asks")
        self._loop = WorkerLoop(
            self._mailboxes,
            BatchProcessor(self._store, now_ms=self._mailboxes.now_ms, jitter=random.random),
            circuit=LocalCircuit(
                self._mailboxes.circuit(Dependency.POSTGRES),
                probe=self._store.ping_write,
                jitter=random.random,
            ),
            backoff=Backoff(clock=time.monotonic, jitter=random.random),
            size=BatchSize(CUSTOMERS_PER_BATCH, settings.batch_events, settings.lease_seconds),
            on_ambiguous=note_ambiguous if self._reconciliation else warn_ambiguous,
            heartbeat=self._heartbeat,
            linger=BatchLinger(clock=time.monotonic),
            fence=Fence(settings.stripe_livemode, settings.stripe_account),
        )
        self._stopping = threading.Event()
        self._inspection = self._mailboxes.inspection(
            lease_seconds=settings.lease_seconds, rest=lambda seconds: not self._stopping.wait(seconds)
        )
        self._loops = LoopPool(self._loop.run, slots=settings.worker_concurrency)
        maintain = partial(self._store.run_maintenance, retention_days=settings.ledger_retention_days)
        # One poll for each loop: a backlog that nobody announced keeps all of them busy.
        polls = (f"poll {slot + 1}" for slot in range(settings.worker_concurrency))
        tasks = [
            *(PeriodicTask(poll, INTERVALS.poll_seconds, self.wake) for poll in polls),
            PeriodicTask("inspection", INTERVALS.inspection_seconds, self._inspect),
            PeriodicTask("figures", INTERVALS.figures_seconds, self._keep_figures),
            PeriodicTask("maintenance", INTERVALS.maintenance_seconds, maintain),
            PeriodicTask(
                "dead letter retry",
                INTERVALS.letter_retry_seconds,
                DeadLetterAutoRetry(self._store.letters, self._mailboxes).run,
            ),
            PeriodicTask("repair", INTERVALS.repair_seconds, self._repair),
        ]
        if self._reconciliation:
            tasks.append(PeriodicTask("refetch", INTERVALS.refetch_seconds, self._reconciliation.ask))
            tasks.append(
                PeriodicTask(
                    "missed events", INTERVALS.missed_events_seconds, self._reconciliation.sweep_if_due
                )
            )
        self._periodic_tasks = PeriodicTasks(tasks)
        self._is_checked = False

    def require_entry(self) -> None:
        """Check Redis and Postgres; servers that are away are waited for.

        Ends the process with exit code 78 when Redis cannot keep the promise that is configured, and when either
        server will not let us in as configured.
        """
        try:
            self._is_checked = self._check()
            greet(self._database_url)
        except (MailboxRefused, PostgresRefusedError) as refused:
            refuse(str(refused))

    def start(self) -> None:
        """Begin to look for events."""
        runtime.freeze_startup_objects()
        self._periodic_tasks.start()
        log.info("worker_started")

    def wake(self) -> None:
        """Process what is ready, unless every loop is at it already."""
        if not self._is_checked:
            self._is_checked = self._check()
        if self._is_checked:
            self._loops.wake()

    def stop(self) -> None:
        """Finish the batches under way, claim no more, and close the store."""
        self._loop.stop()
        self._stopping.set()
        if self._reconciliation:
            self._reconciliation.stop()
        is_idle = self._loops.wait_until_idle(DRAIN_SECONDS)
        try:
            self._heartbeat.stop()
        except MailboxUnavailable as error:
            log.warning("mailboxes_unavailable", exc_info=error)
        # A periodic task may be cut anywhere: what it had not committed is done by the next worker.
        if self._periodic_tasks.stop(timeout_seconds=TASK_SECONDS) and is_idle:
            self._store.close()
            if self._reconciliation:
                self._reconciliation.close()
        log.info("worker_stopped")

    def _check(self) -> bool:
        """Say whether Redis is there; raises MailboxRefused, which a periodic task logs, when it promises too little."""
        try:
            log_level(self._mailboxes.check())
        except MailboxUnavailable as error:
            log.warning("mailboxes_unavailable", reason=str(error))
            return False
        return True

    def _repair(self) -> None:
        """Decide on the members' statuses, once: the worker that started last has the newest. Then repair the rows.

        A release without these rules may have run until now, or run still; batches keep the rows right from here on.
        """
        if self._member_statuses is not None:
            before = self._store.set_member_statuses(self._member_statuses)
            if before is not None:
                log.warning(
                    "member_statuses_changed", before=sorted(before), now=sorted(self._member_statuses)
                )
            self._member_statuses = None
        self._store.sync_member_roles()
        for taken in self._store.repair():
            log.warning("address_taken", reason=taken.message)

    def _inspect(self) -> None:
        """Look for what Redis has lost; that it is away, the loops report."""
        with suppress(MailboxUnavailable):
            self._inspection.run()

    def _keep_figures(self) -> None:
        """Keep what Postgres knows where receivers can show it, unless another worker does so just now."""
        with suppress(MailboxUnavailable):
            if self._mailboxes.tables.begin():
                self._mailboxes.tables.keep(pack(self._read_tables()))

    def _read_tables(self) -> Measured | None:
        try:
            return measure(TABLE_METRICS, self._store.figures())
        except Exception as error:
            if classify(error) is FailureClass.BUG:
                raise
            return None
