"""Who was told what, when, and what they answered: the sender's own record, for a checker to hold against."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery attempt: `at` in Unix seconds, `status` 0 and an `error` when no answer came."""

    event_id: str
    at: float
    status: int
    error: str | None
    seconds: float

    @property
    def is_accepted(self) -> bool:
        """Whether the answer was 2xx; a redirect is a failure, as at Stripe."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own numbers


class History:
    """Every attempt in order, and what is known of each event."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.answers: Counter[str] = Counter()
        self.lost: set[str] = set()
        self._accepted: set[str] = set()
        self._refused: set[str] = set()

    def note(self, attempt: Attempt) -> None:
        """Take an attempt down."""
        self.attempts.append(attempt)
        self.answers[str(attempt.status) if attempt.status else str(attempt.error)] += 1
        (self._accepted if attempt.is_accepted else self._refused).add(attempt.event_id)

    def note_lost(self, event_id: str) -> None:
        """Take down that an event is never sent, as when an endpoint was off for longer than Stripe tries."""
        self.lost.add(event_id)

    def was_accepted(self, event_id: str) -> bool:
        """Whether the event was answered 2xx at least once."""
        return event_id in self._accepted

    def has_failed(self, event_id: str) -> bool:
        """Whether the event has failed or was lost, and has not been accepted since."""
        return event_id not in self._accepted and (event_id in self._refused or event_id in self.lost)

    @property
    def accepted_count(self) -> int:
        """How many events were answered 2xx."""
        return len(self._accepted)
