"""What the console's pages show, from memory: a poller that has seen a given overview, and dead letters."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cogento.console.customers import CustomerService
from cogento.console.dead_letters import DeadLetterService, LetterDetails
from cogento.console.messages import describe_letter
from cogento.console.poller import Overview, StatusPoller, Throughput
from cogento.events.names import CustomerId, EventId
from cogento.queue.redelivery import Redelivery
from cogento.store.letter_records import (
    Letter,
    LetterAction,
    LetterFilter,
    LetterGroup,
    LetterRow,
    LetterStatus,
    RowSince,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cogento.console.explain import AmbiguousQuery, Explanation, PartialExplanation

    Explained = Callable[[str], Explanation | PartialExplanation | AmbiguousQuery | None]

UNSEEN = Overview(None, None, Throughput(0, 0), (), (), ())
WHEN = dt.datetime(2025, 10, 9, 8, 53, 20, tzinfo=dt.UTC)

NO_ROW = LetterRow(RowSince.ABSENT, None, None, has_ended=False)


def nobody(asked: str) -> None:
    """Explain nothing; an id that no text can hold raises, as whoever sends it to a server."""
    asked.encode()


def kept(number: int = 1, **fields: Any) -> Letter:
    """A letter as the tables keep it."""
    return Letter(
        **{
            "id": number,
            "event_id": EventId(f"evt_{number}"),
            "event_type": "customer.updated",
            "customer_id": CustomerId("cus_1"),
            "object_id": "cus_1",
            "livemode": False,
            "api_version": None,
            "event_created_at": WHEN,
            "received_at": WHEN,
            "first_attempt_at": None,
            "died_at": WHEN,
            "attempts": 5,
            "starts": 0,
            "reason": "bug",
            "failure_class": "bug",
            "failure_code": "P0001",
            "constraint_name": None,
            "message": "Something we did not foresee.",
            "fingerprint": "f00d",
            "worker_version": "0.1.0",
            "source": "webhook",
            "status": LetterStatus.OPEN,
            "retrying_since": None,
            "resolution": None,
            "resolved_by": None,
            "resolved_at": None,
            "replays": 0,
            "raw_sha256": "ab" * 32,
            "removal": False,
            **fields,
        }
    )


class FakePoller(StatusPoller):
    """Has seen one overview, by default of two servers that are away."""

    def __init__(self, seen: Overview = UNSEEN) -> None:
        self.seen = seen

    def overview(self) -> Overview:
        return self.seen


class FakeCustomers(CustomerService):
    """Explains what a test gives it."""

    def __init__(self, explained: Explained = nobody) -> None:
        self.explained = explained

    def find(self, asked: str) -> Explanation | PartialExplanation | AmbiguousQuery | None:
        return self.explained(asked)


@dataclass
class FakeDeadLetters(DeadLetterService):
    """Deals with the letters that it is given; `answer` is what a retry comes to."""

    letters: list[Letter] = field(default_factory=list)
    answer: Redelivery = Redelivery.PUT_BACK
    done: list[LetterAction] = field(default_factory=list)
    row: LetterRow = NO_ROW
    payload: bytes | None = None

    def groups(self, which: LetterFilter, *, limit: int = 1) -> list[LetterGroup]:
        return [_group(letter) for letter in self.page(which, limit=limit)]

    def page(self, which: LetterFilter, *, below: int | None = None, limit: int = 100) -> list[Letter]:
        older = [one for one in self.letters if below is None or one.id < below]
        wanted = [one for one in older if one.status in which.statuses]
        return [one for one in wanted if which.fingerprint in {None, one.fingerprint}][:limit]

    def statuses(self) -> dict[LetterStatus, int]:
        return dict(Counter(one.status for one in self.letters))

    def rows(self, letters: Collection[Letter]) -> dict[int, LetterRow]:
        return {one.id: self.row for one in letters}

    def body(self, letter_id: int) -> bytes | None:
        return self.payload if any(one.id == letter_id for one in self.letters) else None

    def reveal(self, letter: Letter, *, who: str, why: str) -> bytes | None:
        self.done.append(LetterAction(WHEN, "reveal", who, why))
        return self.body(letter.id)

    def find(self, asked: str) -> Letter | None:
        return next((one for one in self.letters if str(one.id) == asked), None)

    def open(self, letter: Letter) -> LetterDetails:
        return LetterDetails(letter, describe_letter(letter, waits=True), "Look into it.", tuple(self.done))

    def retry(self, letter_ids: Collection[int], *, who: str, why: str | None) -> dict[int, Redelivery]:
        self._close(LetterStatus.RETRYING, LetterAction(WHEN, "retry", who, why))
        return dict.fromkeys(letter_ids, self.answer)

    def discard(self, letter_ids: Collection[int], *, who: str, why: str) -> int:
        self._close(LetterStatus.DISCARDED, LetterAction(WHEN, "discard", who, why))
        return len(letter_ids)

    def reopen(self, letter_ids: Collection[int], *, who: str, why: str) -> int:
        self._close(LetterStatus.OPEN, LetterAction(WHEN, "reopen", who, why))
        return len(letter_ids)

    def _close(self, status: LetterStatus, action: LetterAction) -> None:
        self.letters = [replace(one, status=status) for one in self.letters]
        self.done.append(action)


def _group(letter: Letter) -> LetterGroup:
    return LetterGroup(
        fingerprint=letter.fingerprint,
        event_type=letter.event_type,
        reason=letter.reason,
        failure_class=letter.failure_class,
        failure_code=letter.failure_code,
        constraint_name=letter.constraint_name,
        message=letter.message,
        letters=1,
        customers=1,
        removals=int(letter.removal),
        first_died_at=WHEN,
        last_died_at=WHEN,
    )
