"""The ledger's days: partitions made ahead, and dropped when they are older than the retention.

Safe to run from anywhere at any time: of two at once each day is made or dropped by one. Every day is one
short transaction, so that writers wait milliseconds.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from schema.queries import query

if TYPE_CHECKING:
    import asyncpg

    from cogento.store.database import Database


AHEAD_DAYS = 7
RETENTION_DAYS = 35
"""Stripe lists events for 30 days and retries for 3: nothing younger may be forgotten."""

_LIST = query("partitions_list")
_TAKE_LOCK = query("partitions_take_lock")
_FORGET = query("partitions_forget")

# The default partition may hold events of the day, from when nobody made days. It is locked first, so
# that no further one slips in between the move and the attachment, which would then fail.
_MAKE = """
CREATE TABLE {name} (LIKE webhook_events INCLUDING ALL);
LOCK TABLE webhook_events_default IN ACCESS EXCLUSIVE MODE;
WITH moved AS (
    DELETE FROM webhook_events_default
    WHERE event_created_at >= '{day} 00:00+00' AND event_created_at < '{next_day} 00:00+00'
    RETURNING *
)
INSERT INTO {name} SELECT * FROM moved;
ALTER TABLE webhook_events ATTACH PARTITION {name}
FOR VALUES FROM ('{day} 00:00+00') TO ('{next_day} 00:00+00');
"""
_DROP = "DROP TABLE {name}"


@dataclass(frozen=True, slots=True)
class PartitionChanges:
    """The days that this call made and dropped."""

    made: tuple[dt.date, ...]
    dropped: tuple[dt.date, ...]


async def maintain(database: Database, *, retention_days: int = RETENTION_DAYS) -> PartitionChanges:
    """Make today and the week ahead, and drop what is past retention, by the server's clock in UTC.

    Raises LockNotAvailableError when a long transaction was in the way five times; nothing is lost then.
    """
    rows = await database.fetch(_LIST)
    today, present = rows[0]["today"], {row["day"] for row in rows if row["day"]}
    wanted = [today + dt.timedelta(ahead) for ahead in range(AHEAD_DAYS + 1)]
    oldest = today - dt.timedelta(retention_days)
    make, drop = partial(_change, statements=_MAKE), partial(_change, statements=_DROP, is_made=True)
    made = [
        day for day in wanted if day not in present and await database.transaction(partial(make, day=day))
    ]
    dropped = [
        day for day in sorted(present) if day < oldest and await database.transaction(partial(drop, day=day))
    ]
    await database.write(_FORGET, oldest)
    return PartitionChanges(made=tuple(made), dropped=tuple(dropped))


async def _change(
    connection: asyncpg.Connection, *, day: dt.date, statements: str, is_made: bool = False
) -> bool:
    """Make or drop a day, unless another session has done so meanwhile; the lock holds others off."""
    await connection.execute(_TAKE_LOCK)
    name, next_day = f"webhook_events_{day:%Y%m%d}", day + dt.timedelta(1)
    if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", name) is not is_made:
        return False
    await connection.execute(statements.format(name=name, day=day, next_day=next_day))
    return True
