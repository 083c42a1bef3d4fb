"""Ends the sessions of people whose subscription has ended: at once, and what ended while this was not running.

    psql "$DATABASE_URL" -f sessions.sql
    DATABASE_URL=postgresql://… python end_sessions.py

Run one; a second waits for it. Needs asyncpg and nothing of Cogento's.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

import asyncpg

LOOK_SECONDS = 5  # announcements are quick and may be missed; what counts is in the table of changes

END_SESSIONS = """
    UPDATE app.sessions AS session
    SET ended_at = now()
    WHERE session.ended_at IS NULL
      AND ($1::UUID[] IS NULL OR session.user_id = ANY($1::UUID[]))
      AND NOT EXISTS (
          SELECT FROM users AS u
          JOIN subscriptions AS s ON s.user_id = u.user_id
          WHERE u.user_id = session.user_id AND u.deleted_at IS NULL AND s.status IN ('active', 'trialing', 'past_due')
      )
"""


async def read_changes(connection: asyncpg.Connection) -> bool:
    """End the sessions that a page of changes ends, and move on past it, in one transaction; False when there was none."""
    async with connection.transaction():
        seen = await connection.fetchval("SELECT seen FROM app.position FOR UPDATE")
        changes = await connection.fetch("SELECT * FROM cogento_internal.changes_after($1, 1000)", seen)
        if changes:
            whose = {change["user_id"] for change in changes} | {
                change["user_id_before"] for change in changes
            }
            await connection.execute(END_SESSIONS, list(whose - {None}))
            await connection.execute("UPDATE app.position SET seen = $1", changes[-1]["change_id"])
    return bool(changes)


async def start_over(connection: asyncpg.Connection) -> None:
    """Look at everybody, and go on from here: the first time, and where changes are gone because this was away for long."""
    async with connection.transaction():
        newest = await connection.fetchval(
            "SELECT cogento_internal.newest_change()"
        )  # first, so that nothing is missed
        await connection.execute(END_SESSIONS, None)
        await connection.execute(
            "INSERT INTO app.position (seen) VALUES ($1) ON CONFLICT (id) DO UPDATE SET seen = excluded.seen",
            newest,
        )


async def begin_session(connection: asyncpg.Connection, user_id: str) -> str | None:
    """Sign somebody in, once your application has proved who it is; None without a live subscription.

    The session is committed before it is looked at, so a subscription that ends just now ends it here or in read_changes.
    """
    session_id = await connection.fetchval(
        "INSERT INTO app.sessions (user_id) VALUES ($1) RETURNING session_id", user_id
    )
    await connection.execute(END_SESSIONS, [user_id])
    return await connection.fetchval(
        "SELECT session_id::TEXT FROM app.sessions WHERE session_id = $1 AND ended_at IS NULL", session_id
    )


async def main() -> None:
    """Read what changed, and wait for more."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    announced = asyncio.Event()
    channel = await connection.fetchval("SELECT cogento_internal.changes_channel()")
    await connection.add_listener(channel, lambda *_: announced.set())
    while True:
        announced.clear()  # before reading, so that whatever comes meanwhile is read the next time
        try:
            while await read_changes(connection):
                pass
        except asyncpg.InvalidCursorStateError:
            await start_over(connection)
        with suppress(TimeoutError):
            await asyncio.wait_for(announced.wait(), LOOK_SECONDS)


if __name__ == "__main__":
    asyncio.run(main())
