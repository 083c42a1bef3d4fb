"""What is the same for every table of Stripe's objects: a row as locked, and what is decided for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from cogento.events.names import EventId
from cogento.events.strict_json import canonical_json
from cogento.ordering.order import CurrentRow, Decision
from cogento.store.arrays import arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from cogento.events.columns import CustomerColumns, SubscriptionColumns

_JSON = msgspec.json.Decoder()


def known_of(row: Any, columns: CustomerColumns | SubscriptionColumns) -> CurrentRow:
    """Say what a locked row knows; one that was not made by us has no evidence of its order."""
    return CurrentRow(
        evidence=row["evidence"] or b"",
        last_event_id=EventId(row["last_webhook_event_id"] or ""),
        columns=columns,
    )


def is_news(decision: Decision, known: CurrentRow, *, unsure: bool) -> bool:
    """Tell whether anything of a row would be written differently."""
    return (
        decision.changed
        or decision.evidence != known.evidence
        or decision.last_event_id != known.last_event_id
        or decision.sure is unsure
    )


def canonical(stored: str | None) -> str | None:
    """Bring JSON as Postgres writes it to the form of the columns."""
    if stored is None or stored == "{}":
        return stored
    return canonical_json(_JSON.decode(stored))


async def write(connection: asyncpg.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Write rows with one statement; none cost nothing.

    Every row must be written: one that vanished under its lock would be a lost event, and
    it is better not to commit then. Raises AssertionError, which nobody retries in place.
    """
    if not rows:
        return
    status = await connection.execute(statement, *arrays(rows))
    if status.rpartition(" ")[2] != str(len(rows)):
        raise AssertionError(f"{status}, but there were {len(rows)} rows to write")
