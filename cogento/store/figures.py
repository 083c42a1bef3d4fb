"""What the tables look like from outside: one reading, for pages and for metrics. Every figure goes by an index."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.events.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.store.letter_records import LetterCount
    from cogento.store.progress import SweepStatus
    from cogento.store.store import Store


@dataclass(frozen=True, slots=True)
class TableFigures:
    """The tables: events by how they ended, unresolved letters, rows that are unsure, sweeps.

    `to_ask` are objects that thin events named and for which Stripe has not answered since.
    """

    outcomes: Mapping[str, int]
    letters: Sequence[LetterCount]
    oldest_letter_age_seconds: float | None
    unsure: int
    to_ask: int
    sweeping: SweepStatus
    revision: str

    @property
    def dead(self) -> int:
        """How many letters are unresolved: open, or being retried."""
        return sum(count.letters for count in self.letters)

    @property
    def removals(self) -> int:
        """How many of them are of events that end an object which its row still shows as not ended."""
        return sum(count.removals for count in self.letters)

    @property
    def applied_total(self) -> int:
        """Events that a row was written from."""
        return self.outcomes[Outcome.APPLIED]


async def read_figures(store: Store) -> TableFigures:
    """Read the figures; raises any error of Postgres."""
    totals, letters = await store.history.totals(), await store.letters.count()
    oldest = min((count.oldest for count in letters), default=None)
    return TableFigures(
        outcomes=totals.outcomes,
        letters=letters,
        oldest_letter_age_seconds=None
        if oldest is None
        else max((dt.datetime.now(dt.UTC) - oldest).total_seconds(), 0),
        unsure=totals.unsure,
        to_ask=totals.to_ask,
        sweeping=await store.sweeps.status(),
        revision=await store.history.revision(),
    )
