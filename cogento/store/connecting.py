"""Connections to Postgres: what every session of ours is set to, and whether the server lets us in at all.

Settings are made once per connection, so a pooler must give each client a session of its own.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import asyncpg

from cogento.database_schema import search_path, split_schema
from cogento.events.errors import DependencyUnavailableError
from cogento.store.errors import (
    PostgresRefusedError,
    PostgresSilentError,
    PostgresUnavailableError,
    refusals_named,
)
from cogento.store.shared_connections import STATEMENTS_OF_A_SCHEMA, SharedConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 20.0
"""How long one statement may stay unanswered: longer than the server's own limit, which answers first."""

SESSION = {
    "timezone": "UTC",
    "default_transaction_isolation": "read committed",
    "statement_timeout": "15s",
    "lock_timeout": "2s",
    # A process frozen inside a transaction loses it, and its locks, before its lease ends.
    "idle_in_transaction_session_timeout": "10s",
    # Every statement looks rows up by key. Plans are made once, and never from statistics that were taken while a table was
    # empty: those say that reading all of it is cheapest.
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
}

TRANSACTION_TIMEOUT = "60s"
"""Whatever holds locks for longer is not alive: even a slow batch's lease would be renewed several times.

Between a statement's preparation and its execution the server waits for us and counts neither as idle nor as busy, so
that no other time-out ends it: a process that was frozen just then held its locks for ever.
"""


RELEASE_LOCK = (0xC06F, 1)
"""An advisory lock that each session shares as long as it lives. A session without it is of an earlier release, which looks for
the tables in one schema alone (`cogento/store/table_schemas.py`).
"""


SHARED_SESSIONS = (
    "The pooler at DATABASE_URL lends sessions out by transaction, and ours hold settings and locks. Name PostgreSQL "
    "itself, or a pooler that lends them whole: pool_mode = session in PgBouncer, port 5432 instead of 6543 at Supabase, "
    "the host without -pooler at Neon, DATABASE_URL instead of DATABASE_CONNECTION_POOL_URL at Heroku."
)


async def open_pool(
    database_url: str, *, pool_size: int, application_name: str, schemas: int = 1
) -> asyncpg.Pool:
    """Make a pool that connects on first use, so that a process starts while Postgres is away.

    Where its connections serve several `schemas`, they are SharedConnections.
    """
    shared: dict[str, Any] = {}
    if schemas > 1:
        shared["connection_class"] = SharedConnection
        shared["statement_cache_size"] = schemas * STATEMENTS_OF_A_SCHEMA
    address, schema = split_schema(database_url)
    is_known = False

    async def begin(connection: asyncpg.Connection) -> None:
        nonlocal is_known
        if not is_known:
            await _require_own_session(connection, address, application_name=application_name)
            is_known = True
        await _set_session(connection, schema=schema)

    return await asyncpg.create_pool(
        address,
        min_size=0,
        max_size=pool_size,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        server_settings={"application_name": application_name},
        init=begin,
        reset=_keep,
        **shared,
    )


async def connect(database_url: str, *, application_name: str) -> asyncpg.Connection:
    """Open one connection, with the same settings as a pool's; raises what `as_refusal` makes of its errors."""
    connection = await connect_plainly(
        database_url, application_name=application_name, command_seconds=COMMAND_SECONDS
    )
    with refusals_named():
        await _set_session(connection, schema=split_schema(database_url)[1])
    return connection


async def connect_plainly(
    database_url: str, *, application_name: str, command_seconds: float | None = None
) -> asyncpg.Connection:
    """Open one connection with the server's own settings, for statements that may take long; raises as `connect` does.

    It finds the tables as every other one does.
    """
    address, schema = split_schema(database_url)
    with refusals_named():
        connection = await _dial(address, application_name=application_name, command_seconds=command_seconds)
        await _require_own_session(connection, address, application_name=application_name)
        await connection.execute(_find_tables(schema))
    return connection


async def check_connection(database_url: str, *, application_name: str) -> None:
    """Connect once and disconnect, to learn whether this process may work with this server at all.

    Raises PostgresRefusedError when it never can with this configuration, and otherwise whatever says that Postgres is away.
    """
    connection = await connect(database_url, application_name=application_name)
    await connection.close(timeout=CONNECT_SECONDS)


async def check_connection_if_there(database_url: str, *, application_name: str) -> None:
    """As `check_connection`, for a process that may start while Postgres is away: raises PostgresRefusedError, and nothing when Postgres is away."""
    try:
        await check_connection(database_url, application_name=application_name)
    except PostgresRefusedError:
        raise
    except (DependencyUnavailableError, asyncpg.PostgresError, OSError):
        return


async def _dial(
    address: str, *, application_name: str, command_seconds: float | None = COMMAND_SECONDS
) -> asyncpg.Connection:
    return await asyncpg.connect(
        address,
        timeout=CONNECT_SECONDS,
        command_timeout=command_seconds,
        server_settings={"application_name": application_name},
    )


async def _require_own_session(
    connection: asyncpg.Connection, address: str, *, application_name: str
) -> None:
    """Raise PostgresRefusedError where a pooler lends sessions out by transaction or statement; closes the connection then.

    Asked before anything is set or locked, which would hit whoever gets the same session next. Both connections stay open
    meanwhile, so one that changes its session, or shares it, has none of its own. Among many other clients such a pooler may go
    unnoticed; a pooler that is refused is always one of these.
    """
    first = {await _session_of(connection)}
    if first == {connection.get_server_pid()}:
        return  # a pooler gives its clients numbers of its own
    try:
        other = await _dial(address, application_name=application_name)
    except (asyncpg.PostgresError, OSError):
        return  # it has no second one to give
    try:
        # RDS Proxy keeps a session for whoever sets something in it; with others this name is each client's own anyway.
        for each in (connection, other):
            await each.execute(f"SET application_name = '{application_name}'")
        first = {await _session_of(connection)}
        second = {await _session_of(other), await _session_of(other)}
        first |= {await _session_of(connection)}
        second |= {await _session_of(other)}
    finally:
        await other.close(timeout=CONNECT_SECONDS)
    if first & second or len(first) > 1 or len(second) > 1:
        await connection.close(timeout=CONNECT_SECONDS)
        raise PostgresRefusedError(SHARED_SESSIONS)


async def _session_of(connection: asyncpg.Connection) -> int:
    """Ask in which of the server's sessions a statement runs.

    By the simple protocol, as COPY goes: what is prepared may be gone by the time that it is to be executed.
    """
    parts: list[bytes] = []

    async def receive(part: bytes) -> None:
        parts.append(part)

    await connection.copy_from_query("SELECT pg_backend_pid()", output=receive)
    return int(b"".join(parts))


async def _set_session(connection: asyncpg.Connection, *, schema: str) -> None:
    """Set up a new session, by statements: as start-up parameters PgBouncer refuses what it does not know.

    https://github.com/pgbouncer/pgbouncer/issues/1074
    """
    chosen = dict(SESSION)
    if connection.get_server_version() >= (17,):  # older ones do not know the setting
        chosen["transaction_timeout"] = TRANSACTION_TIMEOUT
    await connection.execute(
        _find_tables(schema) + "".join(f"; SET {name} = '{value}'" for name, value in chosen.items())
    )


def _find_tables(schema: str) -> str:
    of_all, of_this = RELEASE_LOCK
    return f"SET search_path = {search_path(schema)}; SELECT pg_advisory_lock_shared({of_all}, {of_this})"


@contextmanager
def translated(connection: asyncpg.Connection) -> Iterator[None]:
    """Raise PostgresUnavailableError where a borrowed connection was lost; a mistake of ours stays the driver's error."""
    try:
        yield
    except TimeoutError as error:
        raise PostgresSilentError("Postgres did not answer in time") from error
    except asyncpg.InternalClientError as error:
        # The driver is out of step: the server has ended the session, and the closed socket has not been noticed yet.
        with suppress(asyncpg.InterfaceError):  # it has left the pool already
            connection.terminate()
        raise PostgresUnavailableError("the connection to Postgres was lost") from error
    except asyncpg.InterfaceError as error:
        if is_lost(connection):
            raise PostgresUnavailableError("the connection to Postgres was lost") from error
        raise


def is_lost(connection: asyncpg.Connection) -> bool:
    """Tell whether a borrowed connection was lost; one that was has left the pool, and any call on it raises InterfaceError."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


async def _keep(_connection: Any) -> None:
    """Leave a returned connection as it is: we change nothing that outlives a transaction.

    The default asks the server to reset everything, one more round trip for each batch.
    """
