"""The worker's periodic task for dead letters: retry those whose cause has gone, and reopen those whose retry got lost.

For two causes the tables show that they have gone: a missing customer has a row now, or, for an event that failed for a day,
other rows were written since it was given up. Every other cause needs a person or a new release.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from cogento.events.letters import AUTO_RETRY_REASONS, LetterReason
from cogento.queue.redelivery import redeliver
from cogento.retries import LETTER_RETRY

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cogento.queue.mailboxes import Mailboxes
    from cogento.store.dead_letters import DeadLetters
    from cogento.store.letter_records import Replay

log = structlog.get_logger()

PAGE = 100
WHO = "worker"
LOST = "the retry was cut short: the event is in no mailbox"
NOT_PUT = "it could not be put back"


class DeadLetterAutoRetry:
    """Retries and reopens letters; harmless when several workers do so at once: each letter is taken by one, and an open one is not reopened."""

    def __init__(self, letters: DeadLetters, mailboxes: Mailboxes) -> None:
        self._letters = letters
        self._mailboxes = mailboxes

    async def run(self) -> None:
        """Reopen letters whose retry got lost, then retry letters that can succeed now."""
        await self.reopen_lost()
        await self.retry_due()

    async def reopen_lost(self) -> None:
        """Reopen letters whose retry was cut short between the tables and the mailboxes.

        A wrong guess is harmless: a letter whose event was just settled is closed already, and one whose event comes
        later is closed by that. No letter stays `retrying` for ever.
        """
        above = 0
        while page := await self._letters.taken(for_seconds=LETTER_RETRY.lost_seconds, above=above):
            above = max(page)
            lost = [id_ for id_, event_id in page.items() if await self._mailboxes.find(event_id) is None]
            if lost:
                count = await self._letters.reopen(
                    lost, who=WHO, why=LOST, after_seconds=LETTER_RETRY.lost_seconds
                )
                log.warning("letters_reopened", letters=count)

    async def retry_due(self) -> None:
        """Retry a page of letters of each reason whose cause has gone; the rest follows next time."""
        for reason, why in AUTO_RETRY_REASONS.items():
            ids = await self._retryable(reason)
            if ids:
                results = await redeliver(ids, _LettersToRetry(self._letters, why), self._mailboxes)
                log.info("letters_retried", reason=reason, **Counter(map(str, results.values())))

    async def _retryable(self, reason: LetterReason) -> list[int]:
        """Find open letters of `reason` whose cause has gone, as far as the tables can tell."""
        match reason:
            case LetterReason.CUSTOMER_MISSING:
                return await self._letters.whose_customer_arrived(reason, limit=PAGE)
            case LetterReason.GAVE_UP:
                rest = LETTER_RETRY.gave_up_seconds
                return await self._letters.since_which_was_written(reason, after_seconds=rest, limit=PAGE)
            case _:
                return []


@dataclass(frozen=True, slots=True)
class _LettersToRetry:
    """The LetterSource of letters that are retried for one reason."""

    letters: DeadLetters
    why: str

    async def take(self, letter_ids: Collection[int]) -> Sequence[Replay]:
        return await self.letters.retry(letter_ids, who=WHO, why=self.why)

    async def give_back(self, letter_ids: Collection[int]) -> None:
        await self.letters.reopen(letter_ids, who=WHO, why=NOT_PUT)
