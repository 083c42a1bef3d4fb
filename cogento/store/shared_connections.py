"""Connections that serve the tables of several schemas in turn, so that many accounts need no more connections than one.

A connection's search path is the account's, and changes between transactions only. PostgreSQL makes a plan for the search path
in force, and makes it again when that has changed; asyncpg recognises a prepared statement by its text. So each statement names
its schema, and each schema keeps plans of its own.
"""

from __future__ import annotations

from typing import Any

import asyncpg

from cogento.database_schema import search_path

STATEMENTS_OF_A_SCHEMA = 100
"""How many prepared statements a connection keeps for each schema; asyncpg's default for a connection."""


class SharedConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg carries no types
    """A connection that `use_schema` points at a schema; in its pool it is pointed at none."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._schema: str | None = None
        self._mark = ""

    async def use_schema(self, schema: str) -> None:
        """Look for names in this schema from now on; not inside a transaction."""
        if schema == self._schema:
            return
        self._schema = None  # unknown, if this fails
        await super().execute(f"SET search_path = {search_path(schema)}")
        self._schema, self._mark = schema, f"/* {schema} */ "

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        """As asyncpg's."""
        return await super().fetch(self._mark + query, *args, **options)

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        """As asyncpg's."""
        return await super().fetchrow(self._mark + query, *args, **options)

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        """As asyncpg's."""
        return await super().fetchval(self._mark + query, *args, **options)

    async def execute(self, query: str, *args: Any, **options: Any) -> Any:
        """As asyncpg's; without arguments nothing is prepared."""
        return await super().execute(self._mark + query if args else query, *args, **options)
