"""Refetch: Stripe is asked for objects whose rows are in doubt, and for objects that thin events named.

One process at a time does it. It takes a page of what is due from each source, fetches the objects, and puts the answers
into their customers' queues, where they are applied in turn with events. An object is fetched again, after growing pauses, until
its row is no longer in doubt.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from cogento import VERSION
from cogento.events.errors import PermanentError, RejectedError
from cogento.events.event import read_notice
from cogento.events.kinds import CUSTOMER
from cogento.events.letters import MESSAGES, LetterReason
from cogento.events.names import CustomerId, ObjectId
from cogento.events.outcomes import Source
from cogento.reconcile.enqueue import fetched_envelope
from cogento.retries import PARKING, REFETCH, FailureClass, refetch_pause
from cogento.store.dead_letters import DeadLetter
from cogento.store.refetches import RefetchTarget
from cogento.stripe.errors import StripeApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cogento.events.envelope import Envelope
    from cogento.queue.mailboxes import Mailboxes
    from cogento.reconcile.enqueue import Enqueuer
    from cogento.reconcile.stripe import Stripe
    from cogento.store.leader_locks import LeaderLease
    from cogento.store.refetches import RefetchRequest, UnsureRows
    from cogento.store.store import Store
    from cogento.stripe.requests import StripeAnswer

log = structlog.get_logger()

LEASE = "doubts"

MAX_AMBIGUOUS = 50
MAX_NAMED = 100


class Refetcher:
    """Refetches objects while this process is the leader.

    The leader keeps its lock, so that one memory knows what was fetched; the lock is released when the process dies
    or a pass fails.
    """

    def __init__(
        self,
        store: Store,
        sources: Sequence[AmbiguousRows | ThinEventObjects],
    ) -> None:
        self._store = store
        self._sources = sources
        self._lease: LeaderLease | None = None

    async def run(self) -> None:
        """Refetch everything that is due, if this process is the leader or can become it."""
        if self._lease is None:
            self._lease = await self._store.try_leader_lease(LEASE)
        if self._lease is None:
            return
        there_is_more = True
        try:
            while there_is_more:
                # A page of each source in turn, so that a long list of one source does not hold up the other.
                pages = [await source.refetch_page() for source in self._sources]
                there_is_more = any(pages)
        except Exception:
            await self._release(self._lease)
            raise

    async def stop(self) -> None:
        """Let another process become the leader."""
        if self._lease is not None:
            await self._release(self._lease)

    async def _release(self, lease: LeaderLease) -> None:
        self._lease = None
        with suppress(Exception):  # its connection may be what failed; then the lease has ended already
            await lease.end()


class AmbiguousRows:
    """Rows that their events leave unsure, objects of dead letters, and unknown customers that events wait for.

    They are looked up again in every pass, by the rows' own flag, by letters and by parked events: a crash loses only the times
    at which to fetch again. `clock` is monotonic.
    """

    def __init__(
        self,
        rows: UnsureRows,
        mailboxes: Mailboxes,
        fetcher: ObjectFetcher,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._rows = rows
        self._mailboxes = mailboxes
        self._fetcher = fetcher
        self._backoff = RetryBackoff(clock)

    async def refetch_page(self) -> bool:
        """Refetch what is in doubt now; returns whether there may be more."""
        page = await self._due()
        is_full = len(page) == MAX_AMBIGUOUS
        doubts = [doubt for doubt in page if not await self._has_events(doubt)]
        self._backoff.remember(doubt.object_id for doubt in page)
        if is_full:
            self._backoff.set_aside(
                {doubt.object_id for doubt in page} - {doubt.object_id for doubt in doubts}
            )
        if doubts:
            fetched = await self._fetcher.fetch(doubts)
            for doubt in doubts:
                self._backoff.record(doubt.object_id, fetched)
        return is_full

    async def _due(self) -> list[RefetchTarget]:
        resting = self._backoff.paused()
        rows = await self._rows.due(quiet_seconds=REFETCH.quiet_seconds, besides=resting, limit=MAX_AMBIGUOUS)
        unknown = await self._mailboxes.parked_customers(
            quiet_seconds=REFETCH.quiet_seconds, limit=10 * MAX_AMBIGUOUS
        )
        customers = [RefetchTarget(CUSTOMER, ObjectId(one), one) for one in unknown]
        dead = await self._rows.with_dead_answer([one.object_id for one in customers])
        wanted = (*rows, *(one for one in customers if one.object_id not in resting | dead))
        return list(wanted[:MAX_AMBIGUOUS])

    async def _has_events(self, doubt: RefetchTarget) -> bool:
        """Whether events wait that may settle the doubt: an earlier answer, or paused ones."""
        owner = self._backoff.customer_of(doubt.object_id)
        return await _has_events(self._mailboxes, doubt.customer_id, owner=owner)


class ThinEventObjects:
    """Objects that thin events named: each is fetched once per burst of changes.

    They stay in Postgres until an answer has been applied (cogento/store/refetches.py): after a crash anywhere, or when
    Redis is emptied, they are fetched again. `clock` is monotonic.
    """

    def __init__(
        self, store: Store, mailboxes: Mailboxes, fetcher: ObjectFetcher, *, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._mailboxes = mailboxes
        self._fetcher = fetcher
        self._backoff = RetryBackoff(clock)

    async def refetch_page(self) -> bool:
        """Refetch objects that thin events named; returns whether there may be more."""
        due = await self._due()
        is_full = len(due) == MAX_NAMED
        noticed = [one for one in due if not await self._has_events(one)]
        self._backoff.remember(one.object_id for one in due)
        if is_full:
            self._backoff.set_aside({one.object_id for one in due} - {one.object_id for one in noticed})
        if not noticed:
            return is_full
        fetched = await self._fetcher.fetch(
            [RefetchTarget(one.kind, one.object_id, _queue_of(one)) for one in noticed]
        )
        for one in noticed:
            self._backoff.record(one.object_id, fetched, waited_seconds=one.waited_seconds)
        missing = {object_id for object_id, error in fetched.failures.items() if error.is_missing}
        too_late = (one for one in noticed if one.waited_seconds > PARKING.limit_seconds)
        await self._give_up([one for one in too_late if one.object_id in missing])
        return is_full

    async def _due(self) -> list[RefetchRequest]:
        return await self._store.refetches.due(
            quiet_seconds=REFETCH.quiet_seconds,
            longest_seconds=REFETCH.longest_seconds,
            besides=self._backoff.paused(),
            limit=MAX_NAMED,
        )

    async def _has_events(self, noticed: RefetchRequest) -> bool:
        """Whether more of the object's events wait in its mailbox, or an earlier answer in its customer's."""
        owner = noticed.customer_id or self._backoff.customer_of(noticed.object_id)
        return await _has_events(self._mailboxes, _queue_of(noticed), owner=owner)

    async def _give_up(self, abandoned: Sequence[RefetchRequest]) -> None:
        """Make dead letters, then stop asking: after a crash in between, both are done again."""
        if abandoned:
            log.error("refetch_abandoned", objects=[one.object_id for one in abandoned])
            await self._store.insert_dead_letters([_letter(one) for one in abandoned])
            await self._store.refetches.give_up([one.object_id for one in abandoned])


def _queue_of(noticed: RefetchRequest) -> CustomerId:
    return CustomerId(noticed.object_id)


async def _has_events(mailboxes: Mailboxes, queue: CustomerId, *, owner: CustomerId | None) -> bool:
    """Whether events wait in a mailbox, or in that of the object's customer, if it is another: there an answer may also be parked."""
    if (await mailboxes.view(queue)).waiting_total > 0:
        return True
    return owner is not None and owner != queue and (await mailboxes.view(owner)).has_events


def _letter(noticed: RefetchRequest) -> DeadLetter:
    notice = read_notice(noticed.raw_body)
    return DeadLetter(
        event_id=notice.id,
        event_type=notice.type,
        customer_id=notice.customer_id,
        object_id=notice.object_id,
        created=notice.created,
        raw_body=notice.body,
        received_ms=int((time.time() - noticed.waited_seconds) * 1000),
        source=Source.WEBHOOK,
        attempts=0,
        reason=LetterReason.OBJECT_MISSING,
        message=MESSAGES[LetterReason.OBJECT_MISSING],
        failure_class=FailureClass.PERMANENT,
        removal=noticed.ends,
        livemode=notice.livemode,
        worker_version=VERSION,
    )


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of objects that were fetched: the error of each without an answer, the customer whose mailbox has the answer of each other."""

    failures: Mapping[ObjectId, StripeApiError]
    customers: Mapping[ObjectId, CustomerId]


@dataclass(frozen=True, slots=True)
class ObjectFetcher:
    """Fetches objects and enqueues the answers; nothing is locked meanwhile."""

    stripe: Stripe
    enqueuer: Enqueuer

    async def fetch(self, wanted: Sequence[RefetchTarget]) -> Fetched:
        """Fetch objects; when this returns every answer is queued.

        Raises QueueFullError, and what Redis raises; some answers may then not be queued.
        """
        envelopes, failures, customers = [], {}, {}
        for doubt, answer in zip(wanted, await self.stripe.fetch(wanted), strict=True):
            if isinstance(answer, StripeApiError):
                # No event spends an attempt: an object whose fetch failed is fetched again, at growing intervals.
                log.warning(
                    "object_not_answered",
                    object_id=doubt.object_id,
                    status=answer.status,
                    failure=answer.failure,
                )
                failures[doubt.object_id] = answer
            elif envelope := _envelope_of(doubt, answer):
                envelopes.append(envelope)
                customers[doubt.object_id] = envelope.customer_id
        await self.enqueuer.put(envelopes, source=Source.FETCH)
        log.info("objects_asked_for", asked=len(wanted), answered=len(envelopes))
        return Fetched(failures, customers)


def _envelope_of(doubt: RefetchTarget, answer: StripeAnswer) -> Envelope | None:
    try:
        return fetched_envelope(answer)
    except (PermanentError, RejectedError) as error:
        log.warning("stripe_answer_unreadable", object_id=doubt.object_id, exc_info=error)
        return None


@dataclass(frozen=True, slots=True)
class _Pause:
    """Since when and until when an object is not asked for, how often it was asked for, and whose mailbox got the last answer."""

    since: float
    until: float
    asked: int = 0
    customer_id: CustomerId | None = None


class RetryBackoff:
    """Pauses between fetches of the same object, in the memory of one process; `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pauses: dict[ObjectId, _Pause] = {}

    def paused(self) -> set[ObjectId]:
        """Which objects are not asked for now."""
        now = self._clock()
        self._pauses = {
            id_: pause
            for id_, pause in self._pauses.items()
            if pause.until + REFETCH.remembered_seconds > now
        }
        return {id_ for id_, pause in self._pauses.items() if pause.until > now}

    def customer_of(self, object_id: ObjectId) -> CustomerId | None:
        """Whose mailbox got the last answer about an object, as far as it is remembered."""
        known = self._pauses.get(object_id)
        return known.customer_id if known else None

    def remember(self, object_ids: Iterable[ObjectId]) -> None:
        """Forget nothing about these, which are due, however long their pauses have been over."""
        now = self._clock()
        for object_id in object_ids:
            if (known := self._pauses.get(object_id)) is not None:
                self._pauses[object_id] = replace(known, until=max(known.until, now))

    def set_aside(self, object_ids: Iterable[ObjectId]) -> None:
        """Pause objects that were not fetched; their count of fetches stays."""
        now = self._clock()
        for object_id in object_ids:
            known = self._pauses.get(object_id, _Pause(now, now))
            self._pauses[object_id] = replace(known, until=now + REFETCH.set_aside_seconds)

    def record(self, object_id: ObjectId, fetched: Fetched, *, waited_seconds: float | None = None) -> None:
        """Pause an object that was fetched, for long if Stripe does not know it.

        `waited_seconds` says how long the request for it has waited: a request made after the last pause began counts as new.
        """
        now = self._clock()
        known = self._pauses.get(object_id, _Pause(now, now))
        is_new = waited_seconds is not None and now - waited_seconds > known.since
        asked = 1 if is_new else known.asked + 1
        error = fetched.failures.get(object_id)
        seconds = refetch_pause(asked, REFETCH, is_missing=error is not None and error.is_missing)
        customer_id = fetched.customers.get(object_id, known.customer_id)
        self._pauses[object_id] = _Pause(now, now + seconds, asked, customer_id)
