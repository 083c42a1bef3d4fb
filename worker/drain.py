"""The drain loop: claim, open, take a turn, settle, until no mail is ready.

The order of its steps is the promise: what is settled was committed before, so that a crash anywhere
means redelivery, which the ledger answers with "duplicate". Knows neither SQL nor Redis commands.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from cogento.events.outcomes import Dead, Outcome, RetryAt
from cogento.failpoints import failpoint
from cogento.queue.errors import MailboxUnavailable
from worker.lease import GiveBackError, Lease
from worker.opening import open_mail
from worker.turn import AwayError, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from cogento.events.fence import Fence
    from cogento.events.names import CustomerId, ObjectId
    from cogento.queue.mail import Claim, Settlement
    from worker.backoff import Backoff
    from worker.breaker import Breaker
    from worker.opening import OpenedMail
    from worker.pacing import Pacing
    from worker.turn import TurnResult

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BatchSize:
    """What one claim may hold at most."""

    customers: int
    events: int
    lease_seconds: float


class Mailboxes(Protocol):
    """What draining asks of the mailboxes."""

    def claim(self, *, max_customers: int, max_events: int, lease_seconds: float) -> Claim | None:
        """Lease the customers at the head of the line, or None when nobody is ready."""

    def settle(self, claim: Claim, settlements: Sequence[Settlement]) -> Collection[CustomerId]:
        """End the claim's leases with what became of each customer's turn; returns those that were lost."""

    def renew(self, claim: Claim) -> bool:
        """Make the claim's leases last as long again; False when not all of them are ours any more."""

    def now_ms(self) -> int:
        """Return the mailboxes' time."""

    def release(self, claim: Claim) -> object:
        """Give the claim back as it is."""


class Doubts(Protocol):
    """Whom to tell of rows whose events do not say which of them is last; called after the commit."""

    def raise_about(self, objects: Collection[ObjectId]) -> None:
        """Have the truth of these objects found out; must not wait for it, nor raise."""


class Heart(Protocol):
    """Whom to tell that this loop works."""

    def beat(self) -> None:
        """Say that the loop looks for mail; raises MailboxUnavailable."""

    def settled(self, opened: Sequence[OpenedMail], settlements: Sequence[Settlement]) -> None:
        """Take down a turn that was settled."""


class LoggedDoubts:
    """Doubts where nobody can be asked: the rows are marked, counted and explained, and the log says so."""

    def raise_about(self, objects: Collection[ObjectId]) -> None:
        """Write one line an object."""
        for object_id in sorted(objects):
            log.warning("row_ambiguous", object_id=object_id)


class AskedDoubts:
    """Doubts where Stripe is asked (cogento/reconcile/doubts.py), which finds the rows by their own flag."""

    def raise_about(self, objects: Collection[ObjectId]) -> None:
        """Write one line an object."""
        for object_id in sorted(objects):
            log.info("row_ambiguous", object_id=object_id)


class Drain:
    """Empties the mailboxes, batch after batch; several threads may do so at once."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        turn: Turn,
        *,
        breaker: Breaker,
        backoff: Backoff,
        size: BatchSize,
        doubts: Doubts,
        heart: Heart,
        pacing: Pacing,
        fence: Fence | None = None,
    ) -> None:
        self._fence = fence
        self._mailboxes = mailboxes
        self._turn = turn
        self._breaker = breaker
        self._backoff = backoff
        self._size = size
        self._doubts = doubts
        self._heart = heart
        self._pacing = pacing
        self._owed: deque[Callable[[], object]] = deque()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Claim no more; a batch that is not done in a moment is given back for the next worker to begin."""
        self._stopping.set()

    def until_empty(self) -> None:
        """Take turns until no mail is ready, somebody asked to stop, or what we need is away."""
        while self._backoff.is_over() and not self._stopping.is_set():
            try:
                self._heart.beat()
                self._tell_what_is_owed()
                if not self._breaker.lets_through() or not self._mail_has_gathered():
                    return
                claim = self._claim()
                self._backoff.succeeded()
                if claim is None:
                    return
                self._take(claim)
            except MailboxUnavailable as error:
                pause = self._backoff.failed()
                log.warning("mailboxes_unavailable", reason=str(error), retry_in_seconds=pause)

    def _mail_has_gathered(self) -> bool:
        """Wait until a claim is worth its price; False when somebody asked to stop."""
        while (left := self._pacing.seconds_left()) > 0:
            if self._stopping.wait(left):
                return False
        return True

    def _claim(self) -> Claim | None:
        size = self._size
        claim = self._mailboxes.claim(
            max_customers=size.customers, max_events=size.events, lease_seconds=size.lease_seconds
        )
        if claim is not None:
            events = sum(len(mail.waiting) for mail in claim.mails)
            is_full = events >= size.events or len(claim.mails) >= size.customers
            self._pacing.claimed(events, is_full=is_full)
        return claim

    def _take(self, claim: Claim) -> None:
        failpoint("after_claim", claim)
        opened = [open_mail(mail, self._fence) for mail in claim.mails]
        lease = Lease(claim, self._mailboxes, is_stopping=self._stopping.is_set)
        try:
            result = self._turn.kept_by(lease.keep).take(opened)
        except GiveBackError as reason:
            log.warning("batch_released", customers=len(opened), exc_info=reason)
            self._tell(partial(self._mailboxes.release, claim))
        except AwayError as away:
            log.warning("database_away", exc_info=away.error)
            self._tell(partial(self._mailboxes.release, claim))
            self._breaker.failed(away.error, begun_ms=claim.claimed_ms)
        else:
            self._finish(claim, opened, result)

    def _finish(self, claim: Claim, opened: Sequence[OpenedMail], result: TurnResult) -> None:
        self._doubts.raise_about(result.unsure)
        failpoint("before_settle", claim)
        self._tell(partial(self._settle, claim, result.settlements))
        failpoint("after_settle", claim)
        self._heart.settled(opened, result.settlements)
        _report(result.outcomes)

    def _settle(self, claim: Claim, settlements: Sequence[Settlement]) -> None:
        lost = self._mailboxes.settle(claim, settlements)
        if lost:
            log.warning("leases_lost", customers=len(lost))

    def _tell(self, message: Callable[[], object]) -> None:
        """Tell the mailboxes what became of a claim; what they do not hear is told before the next claim.

        Else its customers would wait for their lease to end, and it would count as their worker's crash.
        """
        try:
            message()
        except MailboxUnavailable:
            self._owed.append(message)
            raise

    def _tell_what_is_owed(self) -> None:
        with suppress(IndexError):  # nothing is, or another loop is at it
            while True:
                self._tell(self._owed.popleft())


def _report(outcomes: Sequence[Outcome]) -> None:
    counts = Counter(type(outcome).__name__.lower() for outcome in outcomes)
    log.info("batch_settled", **counts)
    for outcome in outcomes:
        if isinstance(outcome, Dead):
            log.warning("event_dead_lettered", reason=outcome.reason, why=outcome.message)
        elif isinstance(outcome, RetryAt):
            log.warning("event_postponed", failure=outcome.error_class, attempts=outcome.attempts)
