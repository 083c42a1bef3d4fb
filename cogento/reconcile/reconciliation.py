"""The parts of a worker process that ask Stripe, put together: for objects every other second, a sweep every five minutes.

One process at a time does each, the first to take its leader lease; a process that dies loses the lease.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from cogento import reporting
from cogento.events.fence import Fence
from cogento.events.outcomes import Source
from cogento.reconcile.backfill import Backfill, Backfilled
from cogento.reconcile.bulk_apply import BulkApplier
from cogento.reconcile.enqueue import Enqueuer
from cogento.reconcile.refetch import AmbiguousRows, ObjectFetcher, Refetcher, ThinEventObjects
from cogento.reconcile.stripe import Stripe
from cogento.reconcile.sweep import DAY_SECONDS, OVERLAP_SECONDS, REACH_SECONDS, EventSweep, SweepScope, Swept
from cogento.reconcile.verify import Verified, Verify
from cogento.reconcile.verify_customer import CustomerComparison, CustomerVerification
from cogento.retries import INTERVALS
from cogento.store.store import Store
from cogento.stripe.errors import StripeApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cogento.events.names import CustomerId
    from cogento.queue.mailboxes import Mailboxes
    from cogento.settings import ConsoleSettings, ReconcileSettings, WorkerSettings
    from cogento.store.activity import Action
    from cogento.store.progress import SweepStatus

log = structlog.get_logger()

CONNECTIONS = 3  # one for each leader lease that is held, and one to work with
SWEEP_TURN = "sweep"
BACKFILL_TURN = "backfill"
LATE_DAYS, VERY_LATE_DAYS = 3, 20
"""The age from which a watermark that does not move is logged, first as a warning and then as an error: Stripe lists events for 30 days."""


class OwnAccountError(Exception):
    """STRIPE_ACCOUNT is the endpoint's own account, whose events name no account: webhooks and everything else are kept out.

    Unset STRIPE_ACCOUNT.
    """

    def __init__(self) -> None:
        super().__init__(
            "STRIPE_ACCOUNT is the account of the webhook endpoint itself, whose events name no account and are kept out. "
            "Unset it."
        )


class Reconciliation:
    """One process's part in asking Stripe."""

    def __init__(
        self,
        store: Store,
        mailboxes: Mailboxes,
        stripe: Stripe,
        enqueuer: Enqueuer,
        *,
        fence: Fence,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        fetcher = ObjectFetcher(stripe, enqueuer)
        if reporting.is_tracing():
            from cogento.reconcile.traced import TracedEnqueuer, TracedFetcher  # noqa: PLC0415 - loads OpenTelemetry

            enqueuer = TracedEnqueuer(mailboxes, enqueuer.wake_workers)
            fetcher = TracedFetcher(stripe, enqueuer)
        self._store = store
        self._stripe = stripe
        self._mailboxes = mailboxes
        self._enqueuer = enqueuer
        self._fence = fence
        self._sweep = EventSweep(stripe, store, mailboxes, enqueuer, fence=fence)
        self._refetcher = Refetcher(
            store,
            (
                AmbiguousRows(store.unsure_rows, mailboxes, fetcher, clock=clock),
                ThinEventObjects(store, mailboxes, fetcher, clock=clock),
            ),
        )

    @classmethod
    async def open(
        cls,
        settings: WorkerSettings | ReconcileSettings | ConsoleSettings,
        mailboxes: Mailboxes,
        *,
        name: str,
        connections: int = CONNECTIONS,
        wake_workers: Callable[[], object] | None = None,
    ) -> Reconciliation | None:
        """Open it, with a pool of its own; None without a key. Postgres and Redis may be away.

        A worker wakes itself, by `wake_workers`, which any thread may call; others send a wake-up.
        """
        store = await Store.open(
            settings.database_url.get_secret_value(),
            pool_size=connections,
            application_name=name,
            keep_objects=settings.keep_objects,
        )
        return cls.of(settings, mailboxes, store, wake_workers=wake_workers)

    @classmethod
    def of(
        cls,
        settings: WorkerSettings | ReconcileSettings | ConsoleSettings,
        mailboxes: Mailboxes,
        store: Store,
        *,
        wake_workers: Callable[[], object] | None = None,
    ) -> Reconciliation | None:
        """As `open`, with an existing store."""
        if settings.stripe_api_key is None:
            return None
        return cls(
            store,
            mailboxes,
            Stripe.connect(
                settings,
                settings.stripe_api_key.get_secret_value(),
                mailboxes.rate_limiter(requests_per_second=settings.stripe_requests_per_second),
            ),
            Enqueuer(mailboxes, wake_workers or _sends_wakeups(settings.wakeups_url)),
            fence=Fence(settings.stripe_livemode, settings.stripe_account),
        )

    async def ask(self) -> None:
        """Ask for objects in doubt and objects that thin events named, if this process is or can become the leader."""
        await self._refetcher.run()

    async def sweep_if_due(self) -> None:
        """Sweep, if the last sweep of any process ended five minutes ago and none is under way."""
        standing = await self._store.sweeps.status()
        _warn_if_late(standing)
        if standing.finished is None or standing.now - standing.finished >= INTERVALS.sweep_seconds:
            try:
                await self.sweep(grace_seconds=INTERVALS.sweep_grace_seconds)
            except OwnAccountError as error:
                log.warning("own_account_named", exc_info=error)

    async def sweep(
        self, *, grace_seconds: int, report: Callable[[Swept], object] = lambda _: None
    ) -> Swept | None:
        """Sweep now; None when another process is sweeping."""
        return await self._sweep_in_turn(SweepScope(grace_seconds=grace_seconds), report)

    async def poll_if_due(self, *, every_seconds: int, overlap_seconds: int) -> Swept | None:
        """Bring events that Stripe has listed since the last poll; None if any process polled less than `every_seconds` ago, or is polling."""
        standing = await self._store.sweeps.status()
        _warn_if_late(standing)
        if standing.finished is not None and standing.now - standing.finished < every_seconds:
            return None
        scope = SweepScope(grace_seconds=0, overlap_seconds=overlap_seconds, replaces_webhooks=True)
        return await self._sweep_in_turn(scope, lambda _: None)

    async def begin_polling(self) -> bool:
        """Let polls begin now where none has begun, and say whether a backfill must bring what was before.

        It must where no backfill was completed, or where polls have been away for longer than Stripe lists events: a backfill
        from before that does not count, not even the part that one which was cut short has listed.
        """
        now = await self._stripe.api.now()
        watermark = (await self._store.sweeps.status()).watermark
        if watermark is None:
            await self._store.sweeps.advance(now)
        elif watermark - OVERLAP_SECONDS < now - REACH_SECONDS:
            await self._store.backfills.outdate()
        return (await self._store.backfills.status()).finished is None

    async def _sweep_in_turn(self, scope: SweepScope, report: Callable[[Swept], object]) -> Swept | None:
        await self._check_account()
        turn = await self._store.try_leader_lease(SWEEP_TURN)
        if turn is None:
            return None
        try:
            return await self._sweep.run(scope, report=report)
        finally:
            await turn.end()

    async def backfill(
        self, *, restart: bool = False, report: Callable[[Backfilled], object] = lambda _: None
    ) -> Backfilled | None:
        """Fill the tables from Stripe's lists, or continue with that; None when another process is doing so."""
        await self._check_account()
        turn = await self._store.try_leader_lease(BACKFILL_TURN)
        if turn is None:
            return None
        applier = BulkApplier(
            self._store, self._stripe.api, self._mailboxes, self._enqueuer, source=Source.BACKFILL
        )
        try:
            backfill = Backfill(self._stripe, self._store.backfills, applier, report=report)
            return await backfill.run(restart=restart)
        finally:
            await turn.end()

    async def verify(
        self,
        *,
        sample: int | None = None,
        repair: bool = False,
        report: Callable[[int, float], object] = lambda *_: None,
    ) -> Verified:
        """Compare all rows with Stripe, or `sample` of them at random, and with `repair` write those that differ."""
        await self._check_account()
        applier = BulkApplier(
            self._store, self._stripe.api, self._mailboxes, self._enqueuer, source=Source.VERIFY
        )
        comparison = Verify(self._store, self._stripe, self._mailboxes, applier, report=report)
        return await comparison.run(sample=sample, repair=repair)

    async def verify_customer(self, customer_id: CustomerId, *, repair: bool = False) -> CustomerComparison:
        """Compare one customer's rows with Stripe field by field, and with `repair` write those that differ.

        Takes VERIFY.settle_seconds longer where anything differs.
        """
        await self._check_account()
        applier = BulkApplier(
            self._store, self._stripe.api, self._mailboxes, self._enqueuer, source=Source.VERIFY
        )
        comparison = CustomerVerification(self._store, self._stripe, self._mailboxes, applier)
        return await comparison.run(customer_id, repair=repair)

    async def record(
        self,
        action: Action,
        *,
        who: str,
        why: str = "",
        about: CustomerId | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Record what an operator had done here."""
        await self._store.activity.record(who=who, action=action, about=about, why=why, details=details)

    async def standing(self) -> SweepStatus:
        """Read how far sweeps have come."""
        return await self._store.sweeps.status()

    async def stop(self) -> None:
        """Give up the leader leases, and close the connections to Stripe; the store, which others may use, stays open."""
        await self._refetcher.stop()
        await self._stripe.close()

    async def close(self) -> None:
        """Do as `stop`, and close the store as well."""
        await self.stop()
        await self._store.close()

    async def _check_account(self) -> None:
        """Raise OwnAccountError where receivers keep out every webhook because STRIPE_ACCOUNT is the endpoint's own account.

        An event that they kept out because it named no account belongs to the endpoint's own account. Where Stripe knows that
        event as one of the account that we ask for, the two accounts are the same, and what we ask for must be kept out as well.
        """
        kept_out = await self._mailboxes.fence_notes.everything_kept_out()
        if kept_out is None or kept_out.unnamed is None or kept_out.fence != self._fence:
            return
        try:
            await self._stripe.api.event(kept_out.unnamed)
        except StripeApiError as error:
            if not error.is_missing:
                raise
        else:
            raise OwnAccountError


def _sends_wakeups(broker_url: str) -> Callable[[], object]:
    from cogento.queue.wakeup import WorkerWakeup  # noqa: PLC0415 - loads Celery, which most commands do without

    return WorkerWakeup(broker_url).send


def _warn_if_late(standing: SweepStatus) -> None:
    days = 0 if standing.watermark is None else (standing.now - standing.watermark) / DAY_SECONDS
    if days >= VERY_LATE_DAYS:
        log.error("sweep_very_late", days=int(days), stripe_lists_days=30)
    elif days >= LATE_DAYS:
        log.warning("sweep_late", days=int(days))
