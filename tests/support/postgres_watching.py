"""Waiting for other sessions, and classifying failures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cogento.store.errors import classify

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from cogento.retries import FailureClass


async def blamed(call: Awaitable[object]) -> FailureClass | None:
    """Return the failure class of a call; None when it succeeds."""
    try:
        await call
    except Exception as error:  # noqa: BLE001 - which error comes depends on when the connection breaks
        return classify(error)
    return None


async def until_waiting(sql: Any) -> None:
    """Wait until a session waits for a lock."""
    await until(
        sql,
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    )


async def until(sql: Any, condition: str) -> None:
    """Wait until a query says yes."""
    async with asyncio.timeout(10):
        while not await sql.fetchval(condition):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
