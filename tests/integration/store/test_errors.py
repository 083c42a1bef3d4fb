"""The class of every SQLSTATE, raised by a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from cogento.retries import FailureClass
from cogento.store.errors import BY_SQLSTATE, BY_SQLSTATE_CLASS, classify, sqlstate

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from cogento.local.postgres import Postgres
    from tests.support.servers import RunningServer

EXPECTED = {
    "40001": FailureClass.CONTENTION,
    "40P01": FailureClass.CONTENTION,
    "55P03": FailureClass.CONTENTION,
    "0A000": FailureClass.CONTENTION,
    "23505": FailureClass.CONTENTION,
    "25006": FailureClass.INFRASTRUCTURE,
    "25P03": FailureClass.INFRASTRUCTURE,
    "42501": FailureClass.INFRASTRUCTURE,
    "42P01": FailureClass.INFRASTRUCTURE,
    "42703": FailureClass.INFRASTRUCTURE,
    "42883": FailureClass.INFRASTRUCTURE,
    "57P01": FailureClass.INFRASTRUCTURE,
    "57P02": FailureClass.INFRASTRUCTURE,
    "57P03": FailureClass.INFRASTRUCTURE,
    "57P04": FailureClass.INFRASTRUCTURE,
    "57P05": FailureClass.INFRASTRUCTURE,
    "25P04": FailureClass.TRANSIENT,
    "57014": FailureClass.TRANSIENT,
    "23502": FailureClass.PERMANENT,
    "23503": FailureClass.PERMANENT,
    "23514": FailureClass.PERMANENT,
    "54000": FailureClass.PERMANENT,
    "54001": FailureClass.PERMANENT,
    # Whole classes, by some of their codes.
    "08003": FailureClass.INFRASTRUCTURE,
    "08006": FailureClass.INFRASTRUCTURE,
    "22000": FailureClass.PERMANENT,
    "22001": FailureClass.PERMANENT,
    "22003": FailureClass.PERMANENT,
    "22021": FailureClass.PERMANENT,
    "22P02": FailureClass.PERMANENT,
    "22P05": FailureClass.PERMANENT,
    "28P01": FailureClass.INFRASTRUCTURE,
    "3D000": FailureClass.INFRASTRUCTURE,
    "53000": FailureClass.INFRASTRUCTURE,
    "53100": FailureClass.INFRASTRUCTURE,
    "53200": FailureClass.INFRASTRUCTURE,
    "53300": FailureClass.INFRASTRUCTURE,
    "58030": FailureClass.INFRASTRUCTURE,
    # In no table.
    "42601": FailureClass.BUG,
    "P0001": FailureClass.BUG,
    "XX000": FailureClass.BUG,
}


@pytest.fixture
def server_sql(loop: asyncio.Runner, postgres_server: RunningServer[Postgres]) -> Iterator[Any]:
    """A connection to the server, in no database of a test."""
    connection = loop.run(asyncpg.connect(postgres_server.url))
    yield connection
    loop.run(connection.close())


@pytest.mark.parametrize(("code", "expected"), EXPECTED.items())
async def test_the_class_of_an_error_follows_from_its_sqlstate(
    server_sql: Any, code: str, expected: FailureClass
) -> None:
    with pytest.raises(asyncpg.PostgresError) as caught:
        await server_sql.execute(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$")
    assert sqlstate(caught.value) == code
    assert classify(caught.value) is expected


def test_every_row_of_the_tables_is_tried() -> None:
    assert BY_SQLSTATE.keys() <= EXPECTED.keys()
    assert BY_SQLSTATE_CLASS.keys() <= {code[:2] for code in EXPECTED}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT * FROM no_such_table", FailureClass.INFRASTRUCTURE),
        ("SELECT no_such_column FROM pg_class", FailureClass.INFRASTRUCTURE),
        ('SELECT \'{"a": "\\u0000"}\'::JSONB', FailureClass.PERMANENT),
        ("SELECT 'x'::INTEGER", FailureClass.PERMANENT),
        ("SELECT to_timestamp(1e18)", FailureClass.PERMANENT),
        ("SELECT repeat('[', 100000)::JSONB", FailureClass.PERMANENT),
        ("BEGIN READ ONLY; CREATE TABLE x ()", FailureClass.INFRASTRUCTURE),
        ("SET statement_timeout = 1; SELECT pg_sleep(1)", FailureClass.TRANSIENT),
        ("SELEC 1", FailureClass.BUG),
    ],
)
async def test_what_the_server_itself_refuses_has_its_class(
    server_sql: Any, statement: str, expected: FailureClass
) -> None:
    with pytest.raises(asyncpg.PostgresError) as caught:
        await server_sql.execute(statement)
    assert classify(caught.value) is expected


async def test_a_value_that_the_client_cannot_encode_is_permanent(server_sql: Any) -> None:
    with pytest.raises(asyncpg.DataError) as caught:
        await server_sql.fetchval("SELECT $1::INTEGER", 2**40)
    assert classify(caught.value) is FailureClass.PERMANENT


async def test_a_closed_connection_by_itself_looks_like_a_mistake_of_ours(server_sql: Any) -> None:
    await server_sql.close()
    with pytest.raises(asyncpg.InterfaceError) as caught:
        await server_sql.execute("SELECT 1")
    assert classify(caught.value) is FailureClass.BUG
