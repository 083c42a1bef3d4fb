"""One claim's turn: applied together, halved until whoever fails is alone, and accounted for.

What the database says becomes what the mailboxes are told; a good customer never pays an attempt for a
bad neighbour. Knows no SQL and no Redis commands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, assert_never

import structlog
from msgspec import structs

from cogento.events.letters import PARKED_SECONDS
from cogento.events.outcomes import (
    Applied,
    Asked,
    Dead,
    Duplicate,
    Outcome,
    Parked,
    RetryAt,
    Stale,
    Superseded,
    Unchanged,
)
from cogento.events.retry import POLICIES, FailureClass, next_delay, spent
from cogento.queue.mail import Failed, Settlement
from cogento.reporting import report
from cogento.store.errors import classify, code_of, ran_out_of_time
from worker.lease import GiveBackError
from worker.letters import crash_letter, failed_letter, orphan_letter, unreadable_letter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogento.events.names import EventId, ObjectId
    from cogento.queue.mail import Waiting
    from cogento.store.delivery import BatchResult, Delivery
    from cogento.store.letters import DeadLetter
    from worker.opening import OpenedMail

log = structlog.get_logger()

TOO_SLOW_ATTEMPTS = 3
"""From here on an event whose statements take too long is reported: it may be a query that wants mending."""

CRASHES_LIMIT = int(POLICIES[FailureClass.CRASHED_WORKER].attempts_limit)


class Store(Protocol):
    """What a turn asks of the database; each call is one transaction, committed when it returns."""

    def kept_by(self, keep: Callable[[], None], /) -> Store:
        """Return this store, calling `keep` before each call and while it lasts; what that raises ends it."""

    def apply(self, deliveries: Sequence[Delivery]) -> BatchResult:
        """Apply events of any customers, ledger included."""

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Keep dead letters, ledger included; again is harmless."""


class AwayError(Exception):
    """The database is away: no event's fault. The claim goes back as it is, and no attempt is spent."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What the mailboxes are told, what became of each event, and which rows are unsure now."""

    settlements: tuple[Settlement, ...]
    outcomes: tuple[Outcome, ...]
    unsure: frozenset[ObjectId]


@dataclass(slots=True)
class Account:
    """What is known so far of one customer's turn."""

    opened: OpenedMail
    outcomes: dict[EventId, Outcome] = field(default_factory=dict)
    failed: list[Failed] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    unsure: set[ObjectId] = field(default_factory=set)
    has_row: bool = False


class Turn:
    """Takes claimed mail to its outcomes. `now_ms` is the mailboxes' clock; `chance` is uniform in [0, 1)."""

    def __init__(self, store: Store, *, now_ms: Callable[[], int], chance: Callable[[], float]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._chance = chance

    def kept_by(self, keep: Callable[[], None]) -> Turn:
        """Return this turn for one claim, whose lease `keep` keeps; what that raises ends the turn."""
        return Turn(self._store.kept_by(keep), now_ms=self._now_ms, chance=self._chance)

    def take(self, opened: Sequence[OpenedMail]) -> TurnResult:
        """Apply every event that can be, bury those that never can, and say what became of each.

        When it returns everything final is committed. Raises AwayError when the database is away.
        """
        accounts = [Account(mail) for mail in opened]
        for account in accounts:
            _give_up_hopeless(account)
        self._apply(accounts)
        for account in accounts:
            self._give_up_overdue(account)
        self._bury([account for account in accounts if account.letters])
        return TurnResult(
            settlements=tuple(self._settlement(account) for account in accounts),
            outcomes=tuple(outcome for account in accounts for outcome in account.outcomes.values()),
            unsure=frozenset().union(*(account.unsure for account in accounts)),
        )

    def _apply(self, accounts: Sequence[Account]) -> None:
        """Apply many customers at once; on failure each half by itself, down to single events."""
        deliveries = [delivery for account in accounts for delivery in _pending(account)]
        if not deliveries:
            return
        try:
            result = self._store.apply(deliveries)
        except Exception as error:  # noqa: BLE001 - the drain loop's edge: every failure has a class
            self._divide(accounts, _blame(error), error)
        else:
            for account in accounts:
                _note(account, result)

    def _divide(self, accounts: Sequence[Account], failure: FailureClass, error: Exception) -> None:
        middle = len(accounts) // 2
        if middle:
            self._apply(accounts[:middle])
            self._apply(accounts[middle:])
        elif len(_pending(accounts[0])) > 1:
            self._apply_singly(accounts[0])
        else:
            self._fail(accounts[0], _pending(accounts[0])[0], failure, error)

    def _apply_singly(self, account: Account) -> None:
        """One event at a time, oldest first, until one has to be waited for."""
        for delivery in _pending(account):
            try:
                _note(account, self._store.apply([delivery]))
            except Exception as error:  # noqa: BLE001 - as above
                self._fail(account, delivery, _blame(error), error)
            if account.failed:
                return

    def _fail(self, account: Account, delivery: Delivery, failure: FailureClass, error: Exception) -> None:
        waiting = _waiting(account, delivery.event.id)
        if failure is FailureClass.OTHER_RELEASE:
            tried, first_ms = waiting.attempts, waiting.first_attempt_ms
            self._keep(account, Failed(waiting.event_id, tried, first_ms, failure, code_of(error)))
            return
        attempts, first_ms = waiting.attempts + 1, waiting.first_attempt_ms or self._now_ms()
        if failure is FailureClass.BUG and attempts == 1:
            report(error)
        if failure is FailureClass.PERMANENT or spent(failure, attempts, (self._now_ms() - first_ms) / 1000):
            last = structs.replace(waiting, attempts=attempts, first_attempt_ms=first_ms)
            _give_up(account, failed_letter(account.opened.mail, last, failure, error))
            return
        if ran_out_of_time(error) and attempts >= TOO_SLOW_ATTEMPTS:
            log.error("statements_too_slow", event_id=waiting.event_id, attempts=attempts)
        retry_after = getattr(error, "retry_after_seconds", None)
        self._keep(
            account,
            Failed(waiting.event_id, attempts, first_ms, failure, code_of(error)),
            retry_after=retry_after,
        )

    def _keep(self, account: Account, failed: Failed, *, retry_after: float | None = None) -> None:
        """Let an event keep its place, and its customer wait, at least as long as was asked for."""
        failure = FailureClass(failed.error_class)
        delay = next_delay(failure, failed.attempts, chance=self._chance(), retry_after=retry_after)
        delay_ms = int(delay * 1000)
        account.failed.append(failed)
        account.outcomes[failed.event_id] = RetryAt(self._now_ms() + delay_ms, failed.attempts, failure)

    def _give_up_overdue(self, account: Account) -> None:
        """Give up subscriptions that have waited too long for their customer."""
        longest_ago = self._now_ms() - PARKED_SECONDS * 1000
        for waiting in account.opened.mail.waiting:
            is_parked = isinstance(account.outcomes.get(waiting.event_id), Parked)
            if is_parked and waiting.received_ms < longest_ago:
                _give_up(account, orphan_letter(account.opened.mail, waiting))

    def _bury(self, accounts: Sequence[Account]) -> None:
        """Keep all letters in one transaction; when that fails, each customer's by themselves.

        An event is never dropped on the way to the morgue: one that cannot be buried keeps its place.
        """
        if not accounts:
            return
        try:
            self._store.bury([letter for account in accounts for letter in account.letters])
        except Exception as error:  # noqa: BLE001 - as above
            failure = _blame(error)
            if len(accounts) > 1:
                for account in accounts:
                    self._bury([account])
            else:
                self._keep_unburied(accounts[0], failure, error)

    def _keep_unburied(self, account: Account, failure: FailureClass, error: Exception) -> None:
        log.error("letters_not_buried", letters=len(account.letters), failure=failure, exc_info=error)
        for letter in account.letters:
            first_ms = letter.first_attempt_ms or self._now_ms()
            self._keep(
                account, Failed(letter.event_id, letter.attempts + 1, first_ms, FailureClass.TRANSIENT)
            )

    def _settlement(self, account: Account) -> Settlement:
        done, parked, wake_ms = [], [], None
        for event_id, outcome in account.outcomes.items():
            match outcome:
                case Applied() | Unchanged() | Duplicate() | Stale() | Superseded() | Asked() | Dead():
                    done.append(event_id)
                case Parked():
                    parked.append(event_id)
                case RetryAt(at_ms=at_ms):
                    wake_ms = at_ms
                case _:
                    assert_never(outcome)
        return Settlement(
            customer_id=account.opened.mail.customer_id,
            done=tuple(done),
            parked=tuple(parked),
            failed=tuple(account.failed),
            released=account.has_row,
            postponed_until_ms=wake_ms,
        )


def _give_up_hopeless(account: Account) -> None:
    """Give up what cannot be read, and the head of a mailbox that keeps killing its workers."""
    mail = account.opened.mail
    for one in account.opened.unreadable:
        _give_up(account, unreadable_letter(mail, one.waiting, one.error))
    if mail.crashes >= CRASHES_LIMIT and account.opened.deliveries:
        _give_up(account, crash_letter(mail, mail.waiting[0]))


def _give_up(account: Account, letter: DeadLetter) -> None:
    account.letters.append(letter)
    account.outcomes[letter.event_id] = Dead(letter.reason, letter.failure_code or letter.message)


def _pending(account: Account) -> list[Delivery]:
    return [d for d in account.opened.deliveries if d.event.id not in account.outcomes]


def _note(account: Account, result: BatchResult) -> None:
    for event in (delivery.event for delivery in account.opened.deliveries):
        if event.id in result.outcomes:
            account.outcomes[event.id] = result.outcomes[event.id]
        if event.object_id in result.unsure:
            account.unsure.add(event.object_id)
    account.has_row = account.has_row or account.opened.mail.customer_id in result.customers


def _waiting(account: Account, event_id: EventId) -> Waiting:
    return next(w for w in account.opened.mail.waiting if w.event_id == event_id)


def _blame(error: Exception) -> FailureClass:
    if isinstance(error, GiveBackError | MemoryError):
        raise error  # no event's fault; a claim that memory did not suffice for counts as its worker's crash
    failure = classify(error)
    if failure is FailureClass.INFRASTRUCTURE:
        raise AwayError(error) from error
    # Contention was tried again in place already; what is left of it is waited out.
    return FailureClass.TRANSIENT if failure is FailureClass.CONTENTION else failure
