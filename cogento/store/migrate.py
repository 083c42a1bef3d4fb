"""Bring the tables up to date, whoever else is doing so.

A session lock lets one release migrate at a time. A lock timeout keeps a change of a table from waiting behind a long
transaction, with every writer waiting behind the change: it rolls back and tries again.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import asyncpg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

from cogento import runtime
from cogento.database_schema import DEFAULT_SCHEMA, search_path, split_schema
from cogento.retries import MIGRATION
from cogento.store import change_triggers, partitions, process_roles, sync_engine_views, table_schemas
from cogento.store.connecting import check_connection, connect_plainly
from cogento.store.database import Database
from cogento.store.errors import (
    MigrationError,
    MigrationRefusedError,
    PostgresUnavailableError,
    sqlstate,
)
from schema.migrations import FOLDER, VERSION_TABLE, run_statements

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

T = TypeVar("T")

APPLICATION_NAME = "cogento migrate"
CONNECTION_LOST = ("08", "57P")
"""The first characters of SQLSTATEs that say that this connection, or the server, has ended."""

_TAKE_LOCK = "SELECT pg_advisory_lock(hashtext(concat_ws('.', 'cogento.migrate', nullif($1, 'public'))))"
_LOCKED = (
    "Another session holds locks on our tables and does not let go: find it in pg_stat_activity, end it, and "
    "migrate again. Nothing was changed."
)

OLD_VERSION_TABLE = "alembic_version"
MADE_BY = {
    "0001": "webhook_events",
    "0002": "dead_letter_actions",
    "0003": "sweep_progress",
    "0004": "backfill_progress",
    "0005": "notices",
}
"""For each revision of those releases, a table that it made. The table proves that the revision is ours: other programs number theirs 0003, too."""
_WHERE = "SELECT relnamespace::REGNAMESPACE::TEXT FROM pg_class WHERE oid = to_regclass($1)"
_READABLE = "SELECT has_table_privilege(to_regclass($1), 'SELECT')"
IN_THE_WAY = {
    "42P07": "Something of one of our tables' names is here already and is not ours ({said})",
    "42710": "Something of one of our tables' names is here already and is not ours ({said})",
    "42723": "Something of one of our tables' names is here already and is not ours ({said})",
    "42701": "One of our tables has a column of others, of a name that this release uses ({said})",
    "42501": "PostgreSQL does not let this user change the tables ({said})",
    "25006": "PostgreSQL takes no writes here: it is a standby, or read-only",
}
ADVICE = {
    "42701": "Give that column another name (ALTER TABLE … RENAME COLUMN …), and migrate again.",
    "42501": "GRANT CREATE ON SCHEMA {schema} (or make the tables' owner migrate), and migrate again.",
    "25006": "Name the primary in DATABASE_URL, and migrate again.",
}
OWN_PLACE = (
    "Rename it, or give the tables a schema of their own, by DATABASE_SCHEMA=billing for example, or a database of their own; "
    "`cogento adopt` takes over users, subscriptions and user_roles that another program made."
)


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did: the revision before and after, and the ledger's days that were made.

    `old_sessions` is how many sessions of an earlier release kept the machinery in the schema where they look for it.
    `announces_changes` says whether CHANGES is on, whether switched now or before.
    """

    before: str | None
    after: str | None
    old_sessions: int
    announces_changes: bool
    days_made: tuple[dt.date, ...] = ()


def migrate(
    database_url: str,
    *,
    to: str = "head",
    with_views: bool = False,
    changes: bool | None = None,
    patience_seconds: float = MIGRATION.limit_seconds,
) -> Migrated:
    """Bring the tables to this release's revision and make the ledger's days, or bring them to an earlier one.

    `with_views` also makes the views that are named as the sync engines' tables; `changes` switches the announcing of changes on
    or off (None: as before). A database of a newer release is left as it is, so that a release can be rolled back. Nothing is
    half done: all revisions are one transaction.

    Raises PostgresRefusedError when Postgres does not let us in, MigrationRefusedError when an object that is not ours is in the
    way, MigrationError when other sessions' locks did not go away within `patience_seconds`, and whatever says that Postgres is
    away.
    """
    _, schema = split_schema(database_url)
    upgrade = partial(_upgrade, to=to, schema=schema, with_views=with_views, changes=changes)
    return runtime.run(_migrate(database_url, upgrade, to, time.monotonic() + patience_seconds))


async def _migrate(
    database_url: str, upgrade: Callable[[sa.Connection], Migrated], to: str, deadline: float
) -> Migrated:
    done = await change_tables(database_url, upgrade, deadline=deadline)
    return replace(done, days_made=await _make_days(database_url)) if to == "head" else done


async def _make_days(database_url: str) -> tuple[dt.date, ...]:
    database = await Database.open(database_url, pool_size=1, application_name=APPLICATION_NAME)
    try:
        return (await partitions.maintain(database)).made
    finally:
        await database.close()


async def change_tables(database_url: str, change: Callable[[sa.Connection], T], *, deadline: float) -> T:
    """Call `change` in a transaction, and again after a lock timeout until the deadline; raises as `migrate` does."""
    await check_connection(database_url, application_name=APPLICATION_NAME)
    _, schema = split_schema(database_url)
    while True:
        try:
            return await run_on_connection(database_url, change)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, sa.exc.DBAPIError) as error:
            # SQLAlchemy wraps the errors of its own statements; those of SQL files come unwrapped.
            cause: BaseException = error
            while not isinstance(cause, asyncpg.PostgresError) and cause.__cause__ is not None:
                cause = cause.__cause__
            if not isinstance(cause, asyncpg.LockNotAvailableError | asyncpg.DeadlockDetectedError):
                raise _explained(cause, schema) from error
            if time.monotonic() > deadline:
                raise MigrationError(_LOCKED) from error
            await asyncio.sleep(MIGRATION.longest_pause_seconds * random.random())  # noqa: S311 - not a secret


async def run_on_connection(database_url: str, do: Callable[[sa.Connection], T]) -> T:
    """Call `do`, which needs a connection of SQLAlchemy's as Alembic does, with one over asyncpg."""

    async def dial() -> asyncpg.Connection:
        dialled = await connect_plainly(database_url, application_name=APPLICATION_NAME)
        await dialled.execute(f"SET lock_timeout = '{MIGRATION.lock_seconds}s'")
        return dialled

    engine = create_async_engine("postgresql+asyncpg://", async_creator=dial, poolclass=sa.NullPool)
    async with engine.connect() as connection:
        return await connection.run_sync(do)


def _upgrade(
    connection: sa.Connection, *, to: str, schema: str, with_views: bool, changes: bool | None
) -> Migrated:
    """Upgrade in the transaction of a connection."""
    old_sessions = 0
    scripts = ScriptDirectory(str(FOLDER))
    lock_out_others(connection, schema)
    _require_no_other_place(connection, schema)
    table_schemas.make_schemas(connection, schema)
    _take_over_version(connection, scripts, schema)
    before = _revision(connection)
    if before is None or _is_known(scripts, before):
        upgrade_to(connection, to)
        old_sessions = table_schemas.arrange(connection, schema)
        if not old_sessions:
            process_roles.renew(connection, schema)
        if with_views:
            sync_engine_views.make_views(connection, schema)
        change_triggers.arrange(connection, switch=changes)
        connection.commit()
    return Migrated(
        before=before,
        after=_revision(connection),
        old_sessions=old_sessions,
        announces_changes=change_triggers.are_on(connection),
    )


def lock_out_others(connection: sa.Connection, schema: str) -> None:
    """Hold off whoever else would change these tables, until the connection ends."""
    connection.exec_driver_sql(_TAKE_LOCK, (schema,))


def upgrade_to(connection: sa.Connection, revision: str) -> None:
    """Run the migrations up to a revision, in the transaction of the connection."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    command.upgrade(config, revision)


def _require_no_other_place(connection: sa.Connection, schema: str) -> None:
    """Refuse to make a second set of tables where the user's search_path leads to one, made before there was DATABASE_SCHEMA."""
    if schema != DEFAULT_SCHEMA or _exists(connection, VERSION_TABLE):
        return
    connection.exec_driver_sql("SET LOCAL search_path TO DEFAULT")
    found = connection.exec_driver_sql(_WHERE, (VERSION_TABLE,)).scalar()
    connection.exec_driver_sql(f"SET LOCAL search_path = {search_path(schema)}")
    if found is not None:
        raise MigrationRefusedError(
            f"The tables are in the schema {found}, where this user's search_path leads: set DATABASE_SCHEMA={found}. "
            "Nothing was changed."
        )


def _revision(connection: sa.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _take_over_version(connection: sa.Connection, scripts: ScriptDirectory, schema: str) -> None:
    """Rename the table in which earlier releases kept the revision, if it is ours: by default every Alembic gives its table this name.

    Another program's may even name a revision of ours, so the tables of that revision have to be there as well. A view of the
    old name lets those releases, which may still run or come back, read and migrate as before.
    """
    readable = connection.exec_driver_sql(_READABLE, (OLD_VERSION_TABLE,)).scalar()
    if _exists(connection, VERSION_TABLE) or not readable:
        return
    rows = connection.exec_driver_sql(f"SELECT * FROM {OLD_VERSION_TABLE}").mappings().all()  # noqa: S608 - a constant
    revision = rows[0].get("version_num") if len(rows) == 1 else None
    if revision is None or not _is_known(scripts, revision):
        return
    made = [_exists(connection, table) for table in MADE_BY.values()]
    if made != [at <= revision for at in MADE_BY]:
        return
    connection.exec_driver_sql(f'SET LOCAL search_path = "{schema}"')  # where those releases find the view
    run_statements(connection, (FOLDER / "take_over.sql").read_text(encoding="utf-8"))
    connection.exec_driver_sql(f"SET LOCAL search_path = {search_path(schema)}")


def _exists(connection: sa.Connection, relation: str) -> bool:
    return connection.exec_driver_sql("SELECT to_regclass($1)", (relation,)).scalar() is not None


def _is_known(scripts: ScriptDirectory, revision: str) -> bool:
    """Tell whether this release has a revision; a newer one's raises in alembic's own words."""
    return any(script.revision == revision for script in scripts.walk_revisions())


def _explained(cause: BaseException, schema: str) -> Exception:
    """Say what kept the tables from being changed; a connection that was lost is no refusal."""
    code = sqlstate(cause)
    if code is None or code.startswith(CONNECTION_LOST):
        return PostgresUnavailableError("the connection to Postgres was lost")
    said = str(cause).partition("\n")[0]  # asyncpg adds the detail in lines of its own
    sentence = IN_THE_WAY.get(code, "PostgreSQL refused a change of the tables ({code}: {said})")
    first = sentence.format(said=said, code=code)
    advice = ADVICE.get(code, OWN_PLACE).format(schema=schema)
    return MigrationRefusedError(f"{first}. {advice} Nothing was changed.")
