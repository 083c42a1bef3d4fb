"""The worker's periodic task for dead letters: retry those whose cause has gone, and reopen those whose retry got lost.

Two causes can be seen to have gone: a missing customer has a row now, and, for what failed for a day, rows are written
again since the event was given up. Every other cause takes a person or a new release.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from cogento.events.letters import AUTO_RETRY_REASONS
from cogento.queue.redelivery import redeliver
from cogento.retries import LETTER_RETRY

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cogento.queue.mailboxes import Mailboxes
    from cogento.store.letter_records import Replay
    from worker.store import BridgedLetters

log = structlog.get_logger()

PAGE = 100
LOST = "the retry was cut short: the event is in no mailbox"
NOT_PUT = "it could not be put back"


class DeadLetterAutoRetry:
    """Harmless when several workers do it at once: each letter is taken by one, and an open one is not reopened."""

    def __init__(self, letters: BridgedLetters, mailboxes: Mailboxes) -> None:
        self._letters = letters
        self._mailboxes = mailboxes

    def run(self) -> None:
        """Reopen what got lost, then retry what can succeed now."""
        self.reopen_lost()
        self.retry_due()

    def reopen_lost(self) -> None:
        """Reopen letters whose retry was cut short between the tables and the mailboxes.

        A wrong guess is harmless: a letter whose event was just settled is closed already, and one whose event comes
        later is closed by that. No letter stays `retrying` for ever.
        """
        above = 0
        while page := self._letters.taken(for_seconds=LETTER_RETRY.lost_seconds, above=above):
            above = max(page)
            lost = [id_ for id_, event_id in page.items() if self._mailboxes.find(event_id) is None]
            if lost:
                count = self._letters.reopen(lost, why=LOST, after_seconds=LETTER_RETRY.lost_seconds)
                log.warning("letters_reopened", letters=count)

    def retry_due(self) -> None:
        """Retry a page of letters of each reason whose cause has gone; the rest follows next time."""
        for reason, why in AUTO_RETRY_REASONS.items():
            ids = self._letters.retryable(reason, limit=PAGE)
            if ids:
                results = redeliver(ids, _LettersToRetry(self._letters, why), self._mailboxes)
                log.info("letters_retried", reason=reason, **Counter(map(str, results.values())))


@dataclass(frozen=True, slots=True)
class _LettersToRetry:
    """Letters that are retried for one reason."""

    letters: BridgedLetters
    why: str

    def take(self, letter_ids: Collection[int]) -> Sequence[Replay]:
        return self.letters.take(letter_ids, why=self.why)

    def give_back(self, letter_ids: Collection[int]) -> None:
        self.letters.reopen(letter_ids, why=NOT_PUT)
