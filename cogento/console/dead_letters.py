"""The dead letters as people deal with them: listed, opened, retried, discarded.

For commands and pages alike. Every call queries the servers and raises what they raise. bulk_operations.py deals with many
letters at once. Knows nothing of how letters are shown.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.console.bulk_operations import NOT_PUT, BulkOperations
from cogento.console.messages import describe_letter
from cogento.events.letters import ADVICE, ADVICE_WITHOUT_BYTES
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.redelivery import redeliver
from cogento.store.activity import Action
from cogento.store.letter_records import UNRESOLVED, LetterFilter, LetterStatus, RowSince

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cogento.queue.mailboxes import Mailboxes
    from cogento.queue.redelivery import Redelivery
    from cogento.store.dead_letters import DeadLetters
    from cogento.store.figures import TableFigures
    from cogento.store.letter_records import (
        Letter,
        LetterAction,
        LetterCause,
        LetterGroup,
        LetterOutcome,
        LetterRow,
        LetterStatuses,
        LetterSummary,
        Replay,
    )
    from cogento.store.store import Store

ANSWER_SECONDS = 20
CAUSES_NAMED = 5
ENDS_LOOKED_AT = 100
"""How many of the newest letters that end an object are looked at: the rows of some may show the end by now."""
UNKNOWN_REASON = "Another release made it a dead letter, for a reason that this one does not know."


@dataclass(frozen=True, slots=True)
class LetterDetails:
    """Everything about one letter except its body: its status, what to do, and what was done."""

    letter: Letter
    standing: str
    advice: str
    actions: Sequence[LetterAction]

    @property
    def what_to_do(self) -> tuple[str, ...]:
        """The advice, for a letter that somebody has to deal with."""
        return (self.advice,) if self.letter.status is LetterStatus.OPEN else ()


@dataclass(frozen=True, slots=True)
class LettersInShort:
    """The most frequent causes of unresolved letters, and objects that a row still shows as not ended although their end is among the letters.

    With each of these objects comes how many such letters it has.
    """

    causes: Sequence[LetterCause] = ()
    not_ended: Mapping[str, int] = field(default_factory=dict)


async def read_letters_in_short(letters: DeadLetters, tables: TableFigures) -> LettersInShort:
    """Read what needs attention among the letters counted in `tables`; sends no query where there are none."""
    if not tables.dead:
        return LettersInShort()
    summary = await letters.summary(LetterFilter(), customers_of=0, causes=CAUSES_NAMED)
    if not tables.removals:
        return LettersInShort(summary.causes)
    ends = await letters.page(LetterFilter(removals=True), limit=ENDS_LOOKED_AT)
    rows = await letters.rows([one.id for one in ends])
    not_ended = Counter(
        one.object_id
        for one in ends
        if rows[one.id].since is not RowSince.ABSENT and not rows[one.id].has_ended
    )
    return LettersInShort(summary.causes, not_ended)


def advice_for(reason: str) -> str:
    """Say what to do about letters of a reason."""
    return ADVICE.get(reason, UNKNOWN_REASON)  # type: ignore[call-overload, no-any-return] # a newer release's


class DeadLetterService:
    """Lists, shows, retries, discards and reopens dead letters."""

    def __init__(self, mailboxes: Mailboxes, store: Store) -> None:
        self._mailboxes = mailboxes
        self._letters = store.letters
        self._activity = store.activity
        self.operations = BulkOperations(mailboxes, store)

    def groups(
        self, which: LetterFilter, *, newest: int | None = None, limit: int = 100
    ) -> list[LetterGroup]:
        """Count letters by cause, the most frequent first: all letters, or only the `newest` ones."""
        groups = self._letters.groups(which, newest=newest, limit=limit)
        return runtime.run(groups, timeout_seconds=ANSWER_SECONDS)

    def page(self, which: LetterFilter, *, below: int | None = None, limit: int = 100) -> list[Letter]:
        """List letters, newest first; `below` is an id to page on."""
        return runtime.run(
            self._letters.page(which, below=below, limit=limit), timeout_seconds=ANSWER_SECONDS
        )

    def statuses(self, *, count_to: int) -> LetterStatuses:
        """Count the letters of each status, each up to `count_to`."""
        return runtime.run(self._letters.statuses(count_to=count_to), timeout_seconds=ANSWER_SECONDS)

    def rows(self, letters: Collection[Letter]) -> dict[int, LetterRow]:
        """Say what the rows of letters' objects show by now."""
        return runtime.run(
            self._letters.rows([letter.id for letter in letters]), timeout_seconds=ANSWER_SECONDS
        )

    def summary(
        self, which: LetterFilter, *, customers_of: int | None = None, causes: int = 1
    ) -> LetterSummary:
        """Count what matches, exactly, and the customers, in all and paused, of at most `customers_of` letters.

        How many are paused is unknown while Redis is away.
        """
        try:
            paused = runtime.run(self._mailboxes.paused()).customers
        except MailboxUnavailable:
            paused = None
        asked = self._letters.summary(which, paused=paused or (), customers_of=customers_of, causes=causes)
        summary = runtime.run(asked, timeout_seconds=ANSWER_SECONDS)
        return summary if paused is not None else replace(summary, paused_customers=None)

    def find(self, asked: str) -> Letter | None:
        """Find a letter by its number, or by its event: the unresolved one, else the last."""
        if asked.isdecimal() and len(asked) < len(str(2**63)):
            return runtime.run(self._letters.read(int(asked)), timeout_seconds=ANSWER_SECONDS)
        found = self.page(LetterFilter(statuses=frozenset(LetterStatus), about=asked))
        mine = [letter for letter in found if letter.event_id == asked]
        return next((letter for letter in mine if letter.status in UNRESOLVED), mine[0] if mine else None)

    def open(self, letter: Letter) -> LetterDetails:
        """Say how a letter stands, what to do about it and what was done."""
        waits: bool | None = False
        try:
            if letter.status is LetterStatus.RETRYING:
                waits = runtime.run(self._mailboxes.find(letter.event_id)) is not None
        except MailboxUnavailable:
            waits = None
        return LetterDetails(
            letter,
            standing=describe_letter(letter, waits=waits),
            advice=advice_for(letter.reason) if letter.has_body else ADVICE_WITHOUT_BYTES,
            actions=runtime.run(self._letters.actions(letter.id), timeout_seconds=ANSWER_SECONDS),
        )

    def body(self, letter_id: int) -> bytes | None:
        """Read the exact bytes; None when they were erased. They hold personal data: show them masked."""
        return runtime.run(self._letters.body(letter_id), timeout_seconds=ANSWER_SECONDS)

    def reveal(self, letter: Letter, *, who: str, why: str) -> bytes | None:
        """Read the exact bytes to show them as they are, which is recorded first; None when they were erased."""
        details = {"letter": letter.id, "event": letter.event_id}
        runtime.run(
            self._activity.record(
                who=who, action=Action.REVEAL, about=letter.customer_id, why=why, details=details
            ),
            timeout_seconds=ANSWER_SECONDS,
        )
        return self.body(letter.id)

    def record_export(self, which: LetterFilter, *, who: str, why: str) -> None:
        """Record that somebody takes the bytes of all letters that match, before it is done."""
        summary = runtime.run(self._letters.summary(which, customers_of=0))
        details = {"exported": summary.letters}
        runtime.run(
            self._activity.record(who=who, action=Action.REVEAL, about=which.about, why=why, details=details),
            timeout_seconds=ANSWER_SECONDS,
        )

    def retry(self, letter_ids: Collection[int], *, who: str, why: str | None) -> dict[int, Redelivery]:
        """Put letters back into their mailboxes, and say of each what became of it."""
        return runtime.run(redeliver(letter_ids, _LetterClaim(self._letters, who, why), self._mailboxes))

    def discard(self, letter_ids: Collection[int], *, who: str, why: str) -> int:
        """Close open letters without applying them; returns how many."""
        return runtime.run(self._letters.discard(letter_ids, who=who, why=why))

    def reopen(self, letter_ids: Collection[int], *, who: str, why: str) -> int:
        """Take back a discard, so that letters can be retried; returns how many."""
        return runtime.run(self._letters.reopen_discarded(letter_ids, who=who, why=why))

    def outcomes(self, letter_ids: Collection[int]) -> list[LetterOutcome]:
        """Say what has become of letters so far."""
        return runtime.run(self._letters.outcomes(letter_ids))


@dataclass(frozen=True, slots=True)
class _LetterClaim:
    """The LetterSource of one operator's retry: letters are taken in the operator's name and for the reason given."""

    letters: DeadLetters
    who: str
    why: str | None

    async def take(self, letter_ids: Collection[int]) -> list[Replay]:
        return await self.letters.retry(letter_ids, who=self.who, why=self.why)

    async def give_back(self, letter_ids: Collection[int]) -> None:
        await self.letters.reopen(letter_ids, who=self.who, why=NOT_PUT)
