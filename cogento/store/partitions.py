"""The ledger's days: partitions made ahead, and dropped when they are older than the retention.

Safe to run from anywhere at any time: when two run at once, each day is made or dropped by one of them. Every day is one
short transaction, so that writers wait milliseconds.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.queries import query

if TYPE_CHECKING:
    from cogento.store.database import Database


AHEAD_DAYS = 7
RETENTION_DAYS = 35
"""Stripe lists events for 30 days and retries for 3: nothing younger may be forgotten."""

_LIST = query("partitions_list")
_MAKE = query("partitions_make")
_DROP = query("partitions_drop")
_FORGET = query("partitions_forget")


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
    made = [day for day in wanted if day not in present and await _has_done(database, _MAKE, day)]
    dropped = [day for day in sorted(present) if day < oldest and await _has_done(database, _DROP, day)]
    await database.write(_FORGET, oldest)
    return PartitionChanges(made=tuple(made), dropped=tuple(dropped))


async def _has_done(database: Database, statement: str, day: dt.date) -> bool:
    (done,) = (await database.write(statement, day))[0]
    return bool(done)
