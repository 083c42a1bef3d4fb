"""Databases of the tests' server, made from a template and dropped again."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import psycopg

from cogento.store.process_roles import ProcessRole
from schema.migrations import VERSION_TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogento.local.postgres import Postgres
    from tests.support.servers import RunningServer

STRATEGY_SINCE = 150_000  # PostgreSQL 15 can be told how to copy

SEARCH_PATH = "public,cogento_internal"
"""Where tests look for tables; our own sessions set another one."""
LIBPQ_OPTIONS = f"-csearch_path={SEARCH_PATH}"
ROLES = {process: f"cogento_{process}" for process in ProcessRole}
"""The roles as which processes that tests start connect."""

WRITTEN_BY_MIGRATIONS = [VERSION_TABLE, "sweep_progress", "backfill_progress", "change_feed"]
OTHER_TABLES = """
SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
WHERE relnamespace::regnamespace::text IN ('public', 'cogento_internal')
  AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> ALL (%s)
"""

numbers = itertools.count(1)


async def look(database_url: str) -> asyncpg.Connection:
    """Connect as a stranger who knows where the tables are."""
    return await asyncpg.connect(database_url, server_settings={"search_path": SEARCH_PATH})


def as_role(role: str, database_url: str) -> str:
    """The URL by which a role reaches the database."""
    parts = urlsplit(database_url)
    return parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}").geturl()


def let_in(role: str, database_url: str, *rights: str) -> str:
    """Make a role again, with a password, run these grants for it, and return the URL by which it connects."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'known'".encode())
        for statement in rights:
            connection.execute(statement.encode())
    return as_role(f"{role}:known", database_url)


class Administration:
    """Makes and drops databases over one connection, and over a new one after a test has ended that one."""

    def __init__(self, server: RunningServer[Postgres]) -> None:
        self._server = server
        self._connection = self._connect()

    def create(self, name: str, *, template: str) -> None:
        """Copy a database, file by file: a third of the work of the default, which writes each page to the log."""
        how = "STRATEGY FILE_COPY" if self._connection.info.server_version >= STRATEGY_SINCE else ""
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} {how}")

    def lend(self, *, template: str) -> Iterator[str]:
        """Yield the URL of a copy that is dropped afterwards."""
        name = f"test_{next(numbers)}"
        self.create(name, template=template)
        yield self._server.description.url_of(name)
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def lend_filled(
        self, fill: Callable[[psycopg.Connection], None], *, template: str
    ) -> Iterator[psycopg.Connection]:
        """Yield a connection to a copy that `fill` has filled, and that is dropped afterwards."""
        for url in self.lend(template=template):
            with psycopg.connect(url, autocommit=True) as connection:
                fill(connection)
                yield connection

    def close(self) -> None:
        self._connection.close()

    def _execute(self, statement: str) -> None:
        try:
            self._connection.execute(statement)
        except psycopg.OperationalError:
            self._connection.close()
            self._connection = self._connect()
            self._connection.execute(statement)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._server.description.url_of("postgres"), autocommit=True)


def empty_tables(url: str) -> None:
    """Empty a migrated database, whoever is connected to it."""
    with psycopg.connect(url, autocommit=True) as connection:
        (tables,) = connection.execute(OTHER_TABLES, [WRITTEN_BY_MIGRATIONS]).fetchone() or ("",)
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY")
