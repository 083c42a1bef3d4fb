"""What goes into a batch and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.events.event import Event, Notice
    from cogento.events.names import CustomerId, EventId, ObjectId
    from cogento.events.outcomes import Outcome

RETRY = "retry"
"""The source of what was put back from the dead letters."""

BACKFILL = "backfill"
"""The source of what Stripe listed and was written straight away."""


VERIFY = "verify"
"""The source of what repairs a row that was found to differ from Stripe."""


class Delivery(msgspec.Struct, frozen=True):
    """One event as it left its mailbox: when it was put there, how often it failed, how it came."""

    event: Event | Notice
    received_ms: int
    attempts: int
    source: str

    @property
    def is_retry(self) -> bool:
        """Whether it was put back from the dead letters."""
        return self.source == RETRY

    @property
    def is_repair(self) -> bool:
        """Whether the row is known to differ, and nothing that it shows is to be trusted."""
        return self.source == VERIFY


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of each event, which customers have a row now, and which objects' rows are unsure now."""

    outcomes: Mapping[EventId, Outcome]
    customers: frozenset[CustomerId]
    unsure: frozenset[ObjectId] = frozenset()
