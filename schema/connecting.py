"""Connections to Postgres: what every session of ours is set to, and URLs that both drivers understand.

No pooler that shares sessions between clients is assumed: settings are made once a connection.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

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
    # Every statement goes by key. Plans are made once, and never from the statistics of a table that was
    # empty when they were taken: on a young table those say that reading all of it is cheapest.
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
}

TRANSACTION_TIMEOUT = "60s"
"""Whatever holds locks for longer is not alive: even a slow batch's lease would be renewed several times."""

# What libpq reads from a URL and asyncpg would send to the server, which would refuse it.
_LIBPQ_ONLY = frozenset(
    {
        "channel_binding",
        "connect_timeout",
        "gssencmode",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "sslcompression",
        "sslsni",
        "tcp_user_timeout",
    }
)


async def open_pool(database_url: str, *, pool_size: int, application_name: str) -> asyncpg.Pool:
    """Make a pool that connects on first use, so that a process starts while Postgres is away."""
    return await asyncpg.create_pool(
        _asyncpg_url(database_url),
        min_size=0,
        max_size=pool_size,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        server_settings={**SESSION, "application_name": application_name},
        init=_bound_transactions,
        reset=_keep,
    )


async def connect(database_url: str, *, application_name: str) -> asyncpg.Connection:
    """Open one connection, with the same settings as a pool's."""
    connection = await asyncpg.connect(
        _asyncpg_url(database_url),
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        server_settings={**SESSION, "application_name": application_name},
    )
    await _bound_transactions(connection)
    return connection


async def _bound_transactions(connection: asyncpg.Connection) -> None:
    """End the transaction of a process that was frozen in the middle of a statement.

    Between a statement's preparation and its execution the server waits for us and counts neither as
    idle nor as busy, so that no other time-out ends it: a process stopped just then held its locks for ever.
    """
    if connection.get_server_version() >= (17,):  # older ones do not know the setting
        await connection.execute(f"SET transaction_timeout = '{TRANSACTION_TIMEOUT}'")


async def _keep(_connection: Any) -> None:
    """Leave a returned connection as it is: we change nothing that outlives a transaction.

    The default asks the server to reset everything, one more round trip for each batch.
    """


def _asyncpg_url(database_url: str) -> str:
    parts = urlsplit(database_url)
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in _LIBPQ_ONLY]
    return urlunsplit(parts._replace(query=urlencode(kept)))
