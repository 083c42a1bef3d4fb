"""The ledger: one row for each event whose outcome is final, written with the rows that it changed.

It is what makes an event count once. A dead event is the exception: it may be tried again, and then its
row tells the new outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import msgspec

from cogento.events.outcomes import (
    Applied,
    Asked,
    Dead,
    Duplicate,
    Outcome,
    Parked,
    Reason,
    RetryAt,
    Stale,
    Superseded,
    Unchanged,
)
from cogento.store.errors import LedgerRacedError
from cogento.store.rows import array, arrays
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import asyncpg

    from cogento.events.event import Event, Notice
    from cogento.events.names import CustomerId, EventId, ObjectId
    from cogento.ordering.order import EventVerdict

DEAD = "dead"
ASKED = "asked"
"""Why a thin event is superseded: an answer of Stripe's stands in its place."""

_FIND = query("ledger_find")
_INSERT = query("ledger_insert")
_REVIVE = query("ledger_reapply")


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


@dataclass(frozen=True, slots=True)
class KnownEvents:
    """Which events of a batch are known: `done` count no more, `dead` ones are tried again."""

    done: frozenset[EventId]
    dead: frozenset[EventId]


@dataclass(frozen=True, slots=True)
class Entry:
    """A final outcome as the ledger's columns have it."""

    outcome: str
    reason: str | None = None
    superseded_by: str | None = None


def outcome_of(verdict: EventVerdict) -> Outcome:
    """Name the outcome that a verdict of the order comes to."""
    match verdict.reason:
        case Reason.FIRST | Reason.NEWER | Reason.FOLLOWS | Reason.TIE_BREAK:
            return Applied(verdict.reason)
        case Reason.STALE | Reason.AFTER_DELETE:
            return Stale(verdict.reason)
        case Reason.SUPERSEDED:
            return Superseded(by=verdict.superseded_by or "")
        case Reason.UNCHANGED:
            return Unchanged()
        case Reason.DUPLICATE:
            return Duplicate()
        case _:
            assert_never(verdict.reason)


def entry_of(outcome: Outcome) -> Entry | None:  # noqa: PLR0911 - one arm an outcome
    """Write a final outcome as a ledger row; None when it is not final."""
    match outcome:
        case Applied(reason):
            return Entry("applied", reason)
        case Unchanged():
            return Entry("unchanged", Reason.UNCHANGED)
        case Duplicate():
            return Entry("duplicate", Reason.DUPLICATE)
        case Stale(reason):
            return Entry("stale", reason)
        case Superseded(by):
            return Entry("superseded", Reason.SUPERSEDED, by)
        case Asked():
            return Entry("superseded", ASKED)
        case Dead(reason, _):
            return Entry(DEAD, reason)
        case Parked() | RetryAt():
            return None
        case _:
            assert_never(outcome)


async def find(connection: asyncpg.Connection, deliveries: Sequence[Delivery]) -> KnownEvents:
    """Look up the events of a batch."""
    ids = array([delivery.event.id for delivery in deliveries])
    rows = await connection.fetch(_FIND, ids, array([delivery.event.created for delivery in deliveries]))
    done = frozenset(row["event_id"] for row in rows if row["outcome"] != DEAD)
    return KnownEvents(done=done, dead=frozenset(row["event_id"] for row in rows) - done)


async def write(
    connection: asyncpg.Connection,
    deliveries: Sequence[Delivery],
    outcomes: Mapping[EventId, Outcome],
    *,
    dead: Collection[EventId],
) -> bool:
    """Write the final ones among the outcomes; `dead` are those that were given up before.

    False when the answer says that the role member follows nothing (roles.py): nearly every batch writes here, so
    that a question of its own would cost more than what it saves. UniqueViolationError or LedgerRacedError when another
    transaction has written one meanwhile.
    """
    ordered = sorted(deliveries, key=lambda delivery: delivery.event.id)
    rows = [row for delivery in ordered if (row := _row(delivery, outcomes[delivery.event.id]))]
    statement = _REVIVE if dead else _INSERT
    if not rows:
        return True
    answer = await connection.fetchrow(statement, *arrays(rows))
    if answer["written"] != len(rows):
        raise LedgerRacedError("another transaction has settled one of these events meanwhile")
    return bool(answer["members_follow"])


def _row(delivery: Delivery, outcome: Outcome) -> tuple[object, ...] | None:
    entry, event = entry_of(outcome), delivery.event
    if entry is None:
        return None
    return (
        event.id,
        event.created,
        event.type,
        event.customer_id,
        event.object_id,
        delivery.received_ms,
        entry.outcome,
        entry.reason,
        entry.superseded_by,
        delivery.attempts,
        delivery.source,
    )
