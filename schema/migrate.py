"""Bring the tables up to date, whoever else is doing so.

One session lock lets one release migrate at a time; a lock timeout keeps a change of a table from
queueing up behind a long transaction with every writer behind it: it steps back and tries again.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from schema import partitions
from schema.database import Database
from schema.errors import MigrationError, PostgresUnavailableError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_SECONDS = 2
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 1.0
CONNECT_SECONDS = 10
APPLICATION_NAME = "cogento migrate"

_TAKE_LOCK = "SELECT pg_advisory_lock(hashtext('cogento.migrate'))"
_LOCKED = (
    "Another session holds locks on our tables and does not let go: find it in pg_stat_activity, end it, and "
    "migrate again. Nothing was changed."
)


@dataclass(frozen=True, slots=True)
class Migrated:
    """What it took: the revision before and after, and the ledger's days that were made."""

    before: str | None
    after: str | None
    days_made: tuple[dt.date, ...]


def migrate(database_url: str, *, patience_seconds: float = PATIENCE_SECONDS) -> Migrated:
    """Bring the tables to this release's revision, and make the ledger's days.

    A database of a newer release is left as it is, so that a release can be rolled back. Nothing is half
    done: every revision is one transaction. Must not be called where an event loop runs.

    Raises PostgresUnavailableError when Postgres is away, MigrationError when locks of others did not go
    away within `patience_seconds`.
    """
    before, after = _upgrade(database_url, time.monotonic() + patience_seconds)
    kept = asyncio.run(_keep_partitions(database_url))
    return Migrated(before=before, after=after, days_made=kept.made)


def _upgrade(database_url: str, deadline: float) -> tuple[str | None, str | None]:
    while True:
        try:
            return _upgrade_once(database_url)
        except (psycopg.errors.LockNotAvailable, sa.exc.OperationalError) as error:
            if not _met_a_lock(error):
                raise
            if time.monotonic() > deadline:
                raise MigrationError(_LOCKED) from error
            time.sleep(PAUSE_SECONDS * random.random())  # noqa: S311 - not a secret


def _upgrade_once(database_url: str) -> tuple[str | None, str | None]:
    scripts = ScriptDirectory(str(MIGRATIONS))
    with _connected(database_url) as connection:
        connection.exec_driver_sql(_TAKE_LOCK)  # of the session: it ends with this connection
        before = _revision(connection)
        if before is None or _is_known(scripts, before):
            connection.commit()
            command.upgrade(_config(connection), "head")
        return before, _revision(connection)


@contextmanager
def _connected(database_url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: _dial(database_url), poolclass=sa.NullPool
    )
    with engine.connect() as connection:
        yield connection


def _dial(database_url: str) -> psycopg.Connection:
    """Connect with the URL as it is, which libpq knows best; its errors must not repeat the password."""
    try:
        connection = psycopg.connect(
            database_url, connect_timeout=CONNECT_SECONDS, application_name=APPLICATION_NAME
        )
    except psycopg.ProgrammingError:
        raise MigrationError(
            "DATABASE_URL is no URL of a Postgres: it looks like postgresql://user:password@host:5432/name"
        ) from None
    except psycopg.OperationalError as error:
        raise PostgresUnavailableError(f"Postgres cannot be reached: {error}") from error
    connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    connection.commit()
    return connection


def _config(connection: sa.Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_known(scripts: ScriptDirectory, revision: str) -> bool:
    """Tell whether this release has a revision; a newer one's raises in alembic's own words."""
    return any(script.revision == revision for script in scripts.walk_revisions())


def _met_a_lock(error: Exception) -> bool:
    return isinstance(getattr(error, "orig", error), psycopg.errors.LockNotAvailable)


async def _keep_partitions(database_url: str) -> partitions.Kept:
    database = await Database.open(database_url, pool_size=1, application_name=APPLICATION_NAME)
    try:
        return await partitions.keep(database)
    finally:
        await database.close()
