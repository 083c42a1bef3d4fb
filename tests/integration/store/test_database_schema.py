"""Tables in a schema of their own: beside another application's, and beside another copy of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from cogento.database_schema import internal_schema, split_schema, with_schema
from cogento.store.connecting import check_connection, connect_plainly
from cogento.store.errors import MigrationRefusedError
from cogento.store.migrate import migrate
from cogento.store.store import Store
from schema.queries import query as read
from tests.integration.store.test_foreign_databases import execute
from tests.support.store_deliveries import new_customer, subscription

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

RELATIONS = """
SELECT relnamespace::REGNAMESPACE::TEXT || '.' || relname
FROM pg_class
WHERE relnamespace::REGNAMESPACE::TEXT !~ '^(pg_|information_schema$)'
ORDER BY 1
"""
LOCKS = "SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory' AND granted"


@pytest.fixture
def stores(loop: asyncio.Runner, empty_database_url: str) -> Iterator[tuple[Store, Store]]:
    """Two copies in one database, which another application had before them."""
    execute(empty_database_url, "CREATE TABLE users (id INT)")
    urls = [with_schema(empty_database_url, schema) for schema in ("live", "test")]
    for url in urls:
        migrate(url)
    opened = [loop.run(Store.open(url, pool_size=2, application_name="test")) for url in urls]
    yield opened[0], opened[1]
    for store in opened:
        loop.run(store.close())


async def test_two_copies_and_another_application_share_a_database(
    stores: tuple[Store, Store], empty_database_url: str
) -> None:
    live, test = stores
    await live.apply([new_customer(event="1", name="Ada"), subscription(event="2")])
    await test.apply([new_customer(event="1", name="Bob")])

    sql = await asyncpg.connect(empty_database_url)
    names = await sql.fetch("SELECT name FROM live.users UNION ALL SELECT name FROM test.users")
    of_subscriptions = await sql.fetch(
        "SELECT count(*) FROM live.subscriptions UNION ALL SELECT count(*) FROM test.subscriptions"
    )
    of_theirs = await sql.fetchval("SELECT count(*) FROM public.users")
    public = await sql.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'public'::REGNAMESPACE")
    await sql.close()

    assert [row["name"] for row in names] == ["Ada", "Bob"]
    assert [row["count"] for row in of_subscriptions] == [1, 0]
    assert (of_theirs, [row["relname"] for row in public]) == (0, ["users"])
    assert (await test.run_maintenance()).made == ()


async def test_what_one_copy_locks_the_other_may_have(stores: tuple[Store, Store]) -> None:
    live, test = stores
    first = await live.try_leader_lease("sweep")
    second = await test.try_leader_lease("sweep")
    refused = await live.try_leader_lease("sweep")
    assert first is not None
    assert second is not None
    assert refused is None
    await first.end()
    await second.end()


@pytest.mark.parametrize(
    ("query", "parameters", "of_earlier_releases"),
    [
        ("emails_lock", (0xC06E, [7]), "SELECT 49262, 7"),
        ("emails_try_lock", (0xC06E, [7]), "SELECT 49262, 7"),
        ("leader_lease_take", ("sweep",), "SELECT hashtext('cogento.turn'), hashtext('sweep')"),
    ],
)
async def test_the_schema_is_part_of_every_lock_and_public_has_those_of_earlier_releases(
    query: str, parameters: tuple[Any, ...], of_earlier_releases: str, empty_database_url: str
) -> None:
    locks = [
        await locks_of(with_schema(empty_database_url, schema), read(query), *parameters)
        for schema in ("public", "live", "test")
    ]
    assert len({*locks}) == 3
    sql = await asyncpg.connect(empty_database_url)
    (expected,) = await sql.fetch(of_earlier_releases)
    await sql.close()
    assert locks[0] == tuple(number % 2**32 for number in expected)


async def locks_of(database_url: str, statement: str, *parameters: object) -> tuple[int, int]:
    """The one lock that a statement takes in a schema."""
    _, schema = split_schema(database_url)
    connection = await connect_plainly(database_url, application_name="test")
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {internal_schema(schema)}")
    before = await connection.fetch(LOCKS)
    async with connection.transaction():
        await connection.fetch(statement, *parameters)
        ((class_id, object_id),) = set(await connection.fetch(LOCKS)) - set(before)
    await connection.close()
    return class_id, object_id


async def test_days_of_the_ledger_are_made_under_a_lock_of_the_copy(
    stores: tuple[Store, Store], empty_database_url: str
) -> None:
    statement = read("partitions_make").replace("$1", "now()")
    locks = [
        await locks_of(with_schema(empty_database_url, schema), statement) for schema in ("live", "test")
    ]
    assert locks[0] != locks[1]


def test_a_role_that_may_make_no_schema_is_told_what_to_say(empty_database_url: str) -> None:
    execute(empty_database_url, "CREATE ROLE lodger LOGIN")
    url = with_schema(empty_database_url.replace("postgres@", "lodger@"), "billing")
    before = execute(empty_database_url, RELATIONS)
    try:
        with pytest.raises(
            MigrationRefusedError, match='CREATE SCHEMA "billing" AUTHORIZATION "lodger"'
        ) as refused:
            migrate(url)
        assert execute(empty_database_url, RELATIONS) == before
        assert 'CREATE SCHEMA "billing_internal" AUTHORIZATION "lodger"' in str(refused.value)
        execute(empty_database_url, "CREATE SCHEMA billing AUTHORIZATION lodger")
        execute(empty_database_url, "CREATE SCHEMA billing_internal AUTHORIZATION lodger")
        assert migrate(url).before is None
    finally:
        execute(empty_database_url, "DROP OWNED BY lodger CASCADE", "DROP ROLE lodger")


def test_tables_that_a_search_path_led_elsewhere_are_not_made_anew(empty_database_url: str) -> None:
    migrate(with_schema(empty_database_url, "billing"))
    execute(empty_database_url, "ALTER TABLE billing_internal.cogento_alembic_version SET SCHEMA billing")
    before = execute(empty_database_url, RELATIONS)
    url = f"{empty_database_url}?options=-csearch_path%3Dbilling"
    with pytest.raises(MigrationRefusedError, match="set DATABASE_SCHEMA=billing"):
        migrate(url)
    assert execute(empty_database_url, RELATIONS) == before
    done = migrate(with_schema(url, "billing"))
    assert done.before == done.after


async def test_a_schema_that_is_not_there_yet_keeps_no_process_from_starting(empty_database_url: str) -> None:
    await check_connection(with_schema(empty_database_url, "billing"), application_name="test")
