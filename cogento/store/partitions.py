"""The ledger's days: partitions made ahead, and dropped when they are older than the retention.

Safe to run from anywhere at any time: of two at once each day is made or dropped by one. Every day is one
short transaction, so that writers wait milliseconds.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from schema.queries import query

if TYPE_CHECKING:
    import asyncpg

    from cogento.store.database import Database

    class _Change(Protocol):
        async def __call__(self, connection: asyncpg.Connection, day: dt.date, *, present: bool) -> bool: ...


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
class Kept:
    """The days that this call made and dropped."""

    made: tuple[dt.date, ...]
    dropped: tuple[dt.date, ...]


async def keep(database: Database, *, retention_days: int = RETENTION_DAYS) -> Kept:
    """Make today and the week ahead, and drop what is past retention, by the server's clock in UTC.

    Raises LockNotAvailableError when a long transaction was in the way five times; nothing is lost then.
    """
    days = await _days(database)
    wanted = [days.today + dt.timedelta(ahead) for ahead in range(AHEAD_DAYS + 1)]
    oldest = days.today - dt.timedelta(retention_days)
    made = [day for day in wanted if day not in days.present and await _once(database, _make, day)]
    dropped = [day for day in sorted(days.present) if day < oldest and await _once(database, _drop, day)]
    await database.write(_FORGET, oldest)
    return Kept(made=tuple(made), dropped=tuple(dropped))


@dataclass(frozen=True, slots=True)
class _Days:
    today: dt.date
    present: frozenset[dt.date]


async def _days(database: Database) -> _Days:
    rows = await database.fetch(_LIST)
    return _Days(today=rows[0]["today"], present=frozenset(row["day"] for row in rows if row["day"]))


async def _once(database: Database, change: _Change, day: dt.date) -> bool:
    return await database.transaction(partial(_alone, change, day))


async def _alone(change: _Change, day: dt.date, connection: asyncpg.Connection) -> bool:
    """Hold off whoever else makes or drops days, and see what they have left to do."""
    await connection.execute(_TAKE_LOCK)
    present = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", _name(day))
    return await change(connection, day, present=present)


async def _make(connection: asyncpg.Connection, day: dt.date, *, present: bool) -> bool:
    if not present:
        next_day = day + dt.timedelta(1)
        await connection.execute(_MAKE.format(name=_name(day), day=day, next_day=next_day))
    return not present


async def _drop(connection: asyncpg.Connection, day: dt.date, *, present: bool) -> bool:
    if present:
        await connection.execute(_DROP.format(name=_name(day)))
    return present


def _name(day: dt.date) -> str:
    return f"webhook_events_{day:%Y%m%d}"
