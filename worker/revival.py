"""The worker's chore among the dead letters: retrying those whose cause has gone, and finding those that got lost.

Two causes can be seen to have gone: a missing customer's row is there now, and rows are written again after an event
was given up, for what failed for a day. Every other one takes a person or a new release.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from cogento.events.letters import LetterReason
from cogento.queue import redelivery
from cogento.queue.redelivery import redeliver

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cogento.events.names import EventId

log = structlog.get_logger()

AT_ONCE = 100
LOST_SECONDS = 60
"""A retry lays its letters into the mailboxes within seconds; what is in none after so long never will be."""

MENDED = {
    LetterReason.CUSTOMER_MISSING: "the customer's row is there now",
    LetterReason.GAVE_UP: "rows have been written since it was given up: its own may go as well",
}
LOST = "the retry was cut short: the event is in no mailbox"
NOT_PUT = "it could not be put back"


class Letters(Protocol):
    """What reviving asks of the dead letters."""

    def mended(self, reason: LetterReason, *, limit: int) -> Sequence[int]:
        """Find open letters of `reason` whose cause has gone."""

    def take(self, letter_ids: Collection[int], *, why: str) -> Sequence[redelivery.TakenLetter]:
        """Take those that are open, oldest event first."""

    def reopen(self, letter_ids: Collection[int], *, why: str, after_seconds: int = 0) -> int:
        """Give back those that were taken at least so long ago; how many, is returned."""

    def taken(self, *, for_seconds: int, above: int) -> Mapping[int, EventId]:
        """Find some letters on their way back since long, by id, above `above`."""


class Mailboxes(redelivery.Mailboxes, Protocol):
    """What reviving asks of the mailboxes."""

    def find(self, event_id: EventId) -> object | None:
        """Return an event that waits or is parked; None when it does neither."""


class Revival:
    """Harmless when several workers do it at once: a letter is taken by one, and an open one opened by none."""

    def __init__(self, letters: Letters, mailboxes: Mailboxes) -> None:
        self._letters = letters
        self._mailboxes = mailboxes

    def look(self) -> None:
        """Open again what got lost, then retry what can succeed now."""
        self.reopen_lost()
        self.retry_mended()

    def reopen_lost(self) -> None:
        """Open letters whose retry was cut short between the tables and the mailboxes.

        One that has just been settled is closed already, and one that is opened although its event comes
        later is closed by that: nothing is lost by a wrong guess, and nothing stays on its way for ever.
        """
        above = 0
        while page := self._letters.taken(for_seconds=LOST_SECONDS, above=above):
            above = max(page)
            lost = [id_ for id_, event_id in page.items() if self._mailboxes.find(event_id) is None]
            if lost:
                count = self._letters.reopen(lost, why=LOST, after_seconds=LOST_SECONDS)
                log.warning("letters_reopened", letters=count)

    def retry_mended(self) -> None:
        """Put back a page of letters of each reason whose cause has gone; the rest has its turn next time."""
        for reason, why in MENDED.items():
            ids = self._letters.mended(reason, limit=AT_ONCE)
            if ids:
                results = redeliver(ids, _Taking(self._letters, why), self._mailboxes)
                log.info("letters_retried", reason=reason, **Counter(map(str, results.values())))


@dataclass(frozen=True, slots=True)
class _Taking:
    """Letters that are taken for one reason."""

    letters: Letters
    why: str

    def take(self, letter_ids: Collection[int]) -> Sequence[redelivery.TakenLetter]:
        return self.letters.take(letter_ids, why=self.why)

    def give_back(self, letter_ids: Collection[int]) -> None:
        self.letters.reopen(letter_ids, why=NOT_PUT)
