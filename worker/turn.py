"""One claim's turn: applied together, halved until whoever fails is alone, and accounted for.

What the database says becomes what the mailboxes are told; a good customer never pays an attempt for a
bad neighbour. Knows no SQL and no Redis commands.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, assert_never

from events.letters import PARKED_SECONDS
from events.outcomes import Applied, Dead, Duplicate, Outcome, Parked, RetryAt, Stale, Superseded, Unchanged
from events.retry import POLICIES, FailureClass, next_delay, spent
from mailboxes.mail import Failed, Settlement
from schema.errors import classify
from worker.letters import crash_letter, failed_letter, orphan_letter, unreadable_letter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from events.names import EventId, ObjectId
    from mailboxes.mail import Waiting
    from schema.delivery import BatchResult, Delivery
    from schema.letters import DeadLetter
    from worker.opening import OpenedMail

CRASHES_LIMIT = int(POLICIES[FailureClass.CRASHED_WORKER].attempts_limit)


class Store(Protocol):
    """What a turn asks of the database; each call is one transaction, committed when it returns."""

    def apply(self, deliveries: Sequence[Delivery]) -> BatchResult:
        """Apply events of any customers, ledger included."""

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Keep dead letters, ledger included; again is harmless."""


class AwayError(Exception):
    """The database is away: no event's fault. The claim goes back as it is, and no attempt is spent."""


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
    unsure: frozenset[ObjectId] = frozenset()
    has_row: bool = False


class Turn:
    """Takes claimed mail to its outcomes. `now_ms` is the mailboxes' clock; `chance` is uniform in [0, 1)."""

    def __init__(self, store: Store, *, now_ms: Callable[[], int], chance: Callable[[], float]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._chance = chance

    def take(self, opened: Sequence[OpenedMail]) -> TurnResult:
        """Apply every event that can be, bury those that never can, and say what became of each.

        When it returns everything final is committed. Raises AwayError when the database is away.
        """
        accounts = [Account(mail) for mail in opened]
        letters = [letter for account in accounts for letter in self._hopeless(account)]
        self._apply(accounts)
        letters += [letter for account in accounts for letter in self._overdue(account)]
        self._bury(letters)
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
        attempts, first_ms = waiting.attempts + 1, waiting.first_attempt_ms or self._now_ms()
        if failure is FailureClass.PERMANENT or spent(failure, attempts, (self._now_ms() - first_ms) / 1000):
            last = replace(waiting, attempts=attempts, first_attempt_ms=first_ms)
            self._bury([failed_letter(account.opened.mail, last, failure, error)])
            account.outcomes[waiting.event_id] = Dead(failure, type(error).__name__)
            return
        delay = next_delay(failure, attempts, chance=self._chance())
        account.failed.append(Failed(waiting.event_id, attempts, first_ms, failure))
        account.outcomes[waiting.event_id] = RetryAt(self._now_ms() + int(delay * 1000), attempts, failure)

    def _hopeless(self, account: Account) -> list[DeadLetter]:
        """Letters for what cannot be read, and for the head of a mailbox that keeps killing its workers."""
        mail = account.opened.mail
        letters = [unreadable_letter(mail, one.waiting, one.error) for one in account.opened.unreadable]
        if mail.crashes >= CRASHES_LIMIT and account.opened.deliveries:
            letters.append(crash_letter(mail, mail.waiting[0]))
        account.outcomes.update({letter.event_id: Dead(letter.reason, letter.message) for letter in letters})
        return letters

    def _overdue(self, account: Account) -> list[DeadLetter]:
        """Letters for subscriptions that have waited too long for their customer."""
        longest_ago = self._now_ms() - PARKED_SECONDS * 1000
        parked = [
            w for w in account.opened.mail.waiting if isinstance(account.outcomes.get(w.event_id), Parked)
        ]
        letters = [orphan_letter(account.opened.mail, w) for w in parked if w.received_ms < longest_ago]
        account.outcomes.update({letter.event_id: Dead(letter.reason, letter.message) for letter in letters})
        return letters

    def _bury(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        try:
            self._store.bury(letters)
        except Exception as error:
            # Never drop an event on the way to the morgue: it stays in its mailbox.
            raise AwayError from error

    def _settlement(self, account: Account) -> Settlement:
        done, parked, wake_ms = [], [], None
        for event_id, outcome in account.outcomes.items():
            match outcome:
                case Applied() | Unchanged() | Duplicate() | Stale() | Superseded() | Dead():
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


def _pending(account: Account) -> list[Delivery]:
    return [d for d in account.opened.deliveries if d.event.id not in account.outcomes]


def _note(account: Account, result: BatchResult) -> None:
    mine = {d.event.id for d in account.opened.deliveries}
    account.outcomes.update({id_: outcome for id_, outcome in result.outcomes.items() if id_ in mine})
    mine_too = {d.event.object_id for d in account.opened.deliveries}
    account.unsure |= result.unsure & mine_too
    account.has_row = account.has_row or account.opened.mail.customer_id in result.customers


def _waiting(account: Account, event_id: EventId) -> Waiting:
    return next(w for w in account.opened.mail.waiting if w.event_id == event_id)


def _blame(error: Exception) -> FailureClass:
    failure = classify(error)
    if failure is FailureClass.INFRASTRUCTURE:
        raise AwayError from error
    # Contention was tried again in place already; what is left of it is waited out.
    return FailureClass.TRANSIENT if failure is FailureClass.CONTENTION else failure
