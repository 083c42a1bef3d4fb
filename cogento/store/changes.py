"""What changed in the tables, for programs that act on it: read from a position on, and followed as it happens.

Triggers write it (change_triggers.py). A position is the number of the last change that was read: numbers grow in the order of
commits, so nothing is ever committed below one that was seen.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from schema.queries import query

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from cogento.store.database import Database

RETENTION_DAYS = 7
PAGE = 1000
TRIMMED_AT_ONCE = 20_000
LOOK_SECONDS = 5.0
"""How often a follower looks by itself: an announcement may be lost, and a connection may be dead."""

_AFTER = query("changes_after")
_STATE = query("changes_state")
_TRIM = query("changes_trim")


class ChangesNotKeptError(Exception):
    """Changes are not kept, or no longer as far back as was asked for; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row that changed, by names and ids alone; docs/reacting.md says what each means."""

    change_id: int
    changed_at: dt.datetime
    kind: str
    action: str
    user_id: UUID
    user_id_before: UUID | None
    customer_id: str | None
    row_id: UUID | None
    object_id: str | None
    role: str | None
    columns: tuple[str, ...]
    status_before: str | None
    status_after: str | None
    event_id: str | None


@dataclass(frozen=True, slots=True)
class ChangesState:
    """Whether changes are kept: every one after `complete_after`, up to `newest`, announced on `channel`.

    `queue_usage` is the share of the server's queue of announcements that is taken, from 0 to 1.
    """

    is_on: bool
    complete_after: int
    newest: int
    channel: str
    queue_usage: float


class Changes:
    """The changes that a database keeps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def state(self) -> ChangesState:
        """Say whether changes are kept, and from where to where."""
        (row,) = await self._database.fetch(_STATE)
        return ChangesState(**row)

    async def after(self, seen: int, *, limit: int = PAGE) -> list[Change]:
        """Read the changes after a position, the oldest first; raises ChangesNotKeptError when some of them are gone."""
        async with self._database.connection() as connection:
            return await _read(connection, seen, limit)

    async def follow(self, seen: int) -> AsyncGenerator[list[Change], None]:
        """Give the changes after a position and then each as it is committed, in pages that are never empty.

        Holds a connection of the pool until the generator is closed, and closes that connection then. Raises as `after` does,
        and an error of Postgres when the connection is lost: follow again from the last change that came.
        """
        channel = (await self.state()).channel
        async with self._database.connection() as connection:
            announced = asyncio.Event()

            def note(*_: object) -> None:
                announced.set()

            await connection.add_listener(channel, note)
            connection.add_termination_listener(note)  # the next look then says that the connection was lost
            try:
                while True:
                    announced.clear()  # before looking: what is committed while we look is announced again
                    if page := await _read(connection, seen, PAGE):
                        seen = page[-1].change_id
                        yield page
                    else:
                        await _wait(announced)
            finally:
                # Not UNLISTEN: a connection that is being lost may never answer it.
                with suppress(asyncpg.InterfaceError):  # it was lost, and has left the pool
                    connection.terminate()

    async def trim(self, *, days: int = RETENTION_DAYS) -> int:
        """Delete changes older than `days`, a bounded number at a time; returns how many."""
        trimmed = 0
        while count := int((await self._database.write(_TRIM, days, TRIMMED_AT_ONCE))[0][0]):
            trimmed += count
        return trimmed


async def _read(connection: asyncpg.Connection, seen: int, limit: int) -> list[Change]:
    try:
        rows = await connection.fetch(_AFTER, seen, limit)
    except (asyncpg.InvalidCursorStateError, asyncpg.ObjectNotInPrerequisiteStateError) as error:
        raise ChangesNotKeptError(_said(error)) from error
    return [Change(**{**row, "columns": tuple(row["columns"])}) for row in rows]


def _said(error: Any) -> str:
    return f"{str(error).partition(chr(10))[0]}. {error.hint}"


async def _wait(announced: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(announced.wait(), LOOK_SECONDS)
    except TimeoutError:
        return
