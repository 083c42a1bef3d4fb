"""Burying events and closing their letters, each within the transaction of the ledger's row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.events.strict_json import safe_text
from cogento.store.arrays import arrays
from cogento.store.ledger import entry_of
from cogento.store.rows import write
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from cogento.events.names import EventId
    from cogento.events.outcomes import Outcome
    from cogento.store.letters import DeadLetter

_BURY = query("ledger_bury")
_INSERT = query("letters_insert")
_RESOLVE = query("letters_resolve")


async def bury(connection: asyncpg.Connection, letters: Sequence[DeadLetter]) -> None:
    """Write the ledger first: an event that was applied meanwhile is no dead letter."""
    unique = {letter.event_id: letter for letter in letters}
    ordered = [unique[event_id] for event_id in sorted(unique)]
    rows = await connection.fetch(_BURY, *arrays(_entry(letter) for letter in ordered))
    dead = {row["event_id"] for row in rows}
    await write(connection, _INSERT, [_kept(letter) for letter in ordered if letter.event_id in dead])


async def resolve(connection: asyncpg.Connection, outcomes: Mapping[EventId, Outcome]) -> None:
    """Close the letters of those events whose outcome is final now."""
    entries = {event_id: entry for event_id, outcome in outcomes.items() if (entry := entry_of(outcome))}
    if entries:
        await connection.execute(_RESOLVE, list(entries), [entry.outcome for entry in entries.values()])


def _entry(letter: DeadLetter) -> tuple[object, ...]:
    return (
        letter.event_id,
        letter.created,
        letter.type,
        letter.customer_id,
        letter.object_id,
        letter.received_ms,
        letter.reason,
        letter.attempts,
        letter.source,
    )


def _kept(letter: DeadLetter) -> tuple[object, ...]:
    return (
        letter.event_id,
        letter.type,
        letter.customer_id,
        letter.object_id,
        letter.livemode,
        letter.api_version,
        letter.created,
        letter.received_ms,
        letter.first_attempt_ms,
        letter.attempts,
        letter.starts,
        letter.reason,
        letter.failure_class,
        letter.failure_code,
        letter.constraint_name,
        safe_text(letter.message),
        letter.fingerprint,
        letter.worker_version,
        letter.source,
        letter.body,
        letter.removal,
    )
