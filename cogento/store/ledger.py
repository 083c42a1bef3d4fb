"""The ledger: one row for each event whose outcome is final, written with the rows that it changed.

It is what makes an event count once. A dead event is the exception: it may be tried again, and its row then says the new outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from cogento.events.outcomes import Outcome, Source
from cogento.store.errors import LedgerRacedError
from cogento.store.rows import array, named_arrays
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import asyncpg

    from cogento.events.event import Event, Notice
    from cogento.events.names import CustomerId, EventId, ObjectId
    from cogento.events.outcomes import Result

_FIND = query("ledger_find")
_INSERT = query("ledger_insert")
_REAPPLY = query("ledger_reapply")


class Delivery(msgspec.Struct, frozen=True):
    """One event as it left its mailbox: when it was put there, how often it failed, how it came, and its body.

    Without a body its object is not kept, even with KEEP_OBJECTS.
    """

    event: Event | Notice
    received_ms: int
    attempts: int
    source: Source
    body: bytes = b""

    @property
    def is_retry(self) -> bool:
        """Whether it was put back from the dead letters."""
        return self.source is Source.RETRY

    @property
    def is_repair(self) -> bool:
        """Whether the row is known to differ from Stripe, so that nothing it shows is to be trusted."""
        return self.source is Source.VERIFY


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of each event, which customers have a row now, and which objects' rows are unsure now."""

    results: Mapping[EventId, Result]
    customers: frozenset[CustomerId]
    unsure: frozenset[ObjectId] = frozenset()


@dataclass(frozen=True, slots=True)
class KnownEvents:
    """Which events of a batch the ledger has: `done` ones are duplicates, `dead` ones are tried again."""

    done: frozenset[EventId]
    dead: frozenset[EventId]


async def find(connection: asyncpg.Connection, deliveries: Sequence[Delivery]) -> KnownEvents:
    """Look up the events of a batch."""
    ids = array([delivery.event.id for delivery in deliveries])
    rows = await connection.fetch(_FIND, ids, array([delivery.event.created for delivery in deliveries]))
    done = frozenset(row["event_id"] for row in rows if row["outcome"] != Outcome.DEAD)
    return KnownEvents(done=done, dead=frozenset(row["event_id"] for row in rows) - done)


async def write(
    connection: asyncpg.Connection,
    deliveries: Sequence[Delivery],
    results: Mapping[EventId, Result],
    *,
    dead: Collection[EventId],
) -> bool:
    """Write the final ones among the results; `dead` are events that were dead letters before.

    Returns False when no status makes a member (roles.py), which the same statement reads: nearly every batch writes here, and a
    query of its own would cost more than it saves. Raises UniqueViolationError or LedgerRacedError when another transaction has
    written one of the events meanwhile.
    """
    final = [one for one in deliveries if results[one.event.id].is_final]
    if not final:
        return True
    final.sort(key=lambda one: one.event.id)
    statement, columns = _REAPPLY if dead else _INSERT, _columns(final, results)
    answer = await connection.fetchrow(statement, *named_arrays(statement, columns))
    if answer["written"] != len(final):
        raise LedgerRacedError("another transaction has settled one of these events meanwhile")
    return bool(answer["members_follow"])


def _columns(final: Sequence[Delivery], results: Mapping[EventId, Result]) -> dict[str, list[Any]]:
    events = [one.event for one in final]
    ends = [results[event.id] for event in events]
    changes = [event.status_change for event in events]
    return {
        "event_id": [event.id for event in events],
        "created": [event.created for event in events],
        "event_type": [event.type for event in events],
        "customer_id": [event.customer_id for event in events],
        "object_id": [event.object_id for event in events],
        "received_ms": [one.received_ms for one in final],
        "outcome": [end.outcome for end in ends],
        "reason": [end.reason for end in ends],
        "superseded_by": [end.superseded_by for end in ends],
        "attempts": [one.attempts for one in final],
        "source": [one.source for one in final],
        "status_before": [change.before for change in changes],
        "status_after": [change.after for change in changes],
    }
