"""The changes that a database has kept."""

from __future__ import annotations

from typing import Any


async def kept_changes(sql: Any, *columns: str) -> list[tuple[Any, ...]]:
    """Read these columns of all changes that are kept, in their order."""
    chosen = ", ".join(columns)
    return [tuple(row) for row in await sql.fetch(f"SELECT {chosen} FROM changes ORDER BY change_id")]
