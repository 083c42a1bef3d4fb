"""Each process with a role of its own: what it needs it may do, and everything else is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import psycopg
import pytest

from cogento.database_schema import with_schema
from cogento.store.connecting import connect
from cogento.store.kind_queries import sent
from cogento.store.migrate import migrate
from cogento.store.process_roles import RIGHTS, ProcessRole, roles_sql
from cogento.store.store import Store
from schema.queries import names
from tests.integration.store.test_foreign_databases import execute
from tests.support.databases import ROLES, as_role
from tests.support.store_deliveries import customer, new_customer, subscription

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS_OWN = {
    "partitions_make",
    "partitions_drop",
    "partitions_forget",
    "members_decide",
    "activity_forget",
    "changes_trim",
}
CHANGES_OF_TABLES = [
    "CREATE TABLE mine (id INT)",
    "CREATE TABLE cogento_internal.mine (id INT)",
    "CREATE FUNCTION public.lower(users) RETURNS TEXT LANGUAGE SQL AS 'SELECT 1::TEXT'",
    "ALTER TABLE users ADD COLUMN mine INT",
    "DROP TABLE users",
    "TRUNCATE webhook_events",
    "CREATE INDEX mine ON users (name)",
    "CREATE TRIGGER mine BEFORE UPDATE ON users EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "ALTER TABLE webhook_events DETACH PARTITION webhook_events_default",
    "UPDATE cogento_alembic_version SET version_num = '0001'",
    "DELETE FROM users",
    "DELETE FROM subscriptions",
    "DELETE FROM webhook_events",
    "DELETE FROM dead_letters",
    "DELETE FROM dead_letter_actions",
    "DELETE FROM activity",
    "DELETE FROM operations",
]
REFUSED = [
    *((role, statement) for role in ("worker", "console") for statement in CHANGES_OF_TABLES),
    ("worker", "INSERT INTO activity (who, action) VALUES ('me', 'pause')"),
    ("worker", "INSERT INTO operations DEFAULT VALUES"),
    ("worker", "UPDATE dead_letter_actions SET who = 'somebody else'"),
    ("worker", "SELECT make_ledger_day((now() + INTERVAL '40 days')::DATE)"),
    ("worker", "SELECT drop_ledger_day(now()::DATE)"),
    ("worker", "SELECT forget_old_activity(399)"),
    ("worker", "DROP TABLE webhook_events_default"),
    ("console", "SELECT make_ledger_day(now()::DATE)"),
    ("console", "SELECT drop_ledger_day('2020-01-01')"),
    ("console", "SELECT forget_old_activity(400)"),
    ("console", "INSERT INTO member_statuses (statuses) VALUES ('{}')"),
    ("reader", "INSERT INTO users (email, stripe_customer_id) VALUES ('a@b.c', 'cus_1')"),
    ("reader", "UPDATE users SET email = 'mine@example.com'"),
    ("reader", "UPDATE subscriptions SET status = 'active'"),
    ("reader", "DELETE FROM user_roles"),
    ("reader", "SELECT FROM cogento_internal.webhook_events"),
    ("reader", "SELECT FROM cogento_internal.dead_letters"),
    ("reader", "SELECT FROM users FOR UPDATE"),
    ("reader", "CREATE TABLE public.mine (id INT)"),
]


@pytest.mark.parametrize(("role", "statement"), REFUSED)
async def test_what_a_process_does_not_need_it_may_not_do(
    role: str, statement: str, untouched_url: str
) -> None:
    session = await connect(as_role(f"cogento_{role}", untouched_url), application_name="test")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.execute(statement)
    finally:
        await session.close()


@pytest.mark.parametrize("name", sorted({*names()} - WORKERS_OWN))
async def test_the_console_and_the_commands_may_run_every_query(name: str, untouched_url: str) -> None:
    session = await connect(as_role(ROLES[ProcessRole.CONSOLE], untouched_url), application_name="test")
    for query in sent(name):
        prepared = await session.prepare(query)
        async with session.transaction(readonly=False):
            await prepared.explain(*(None for _ in prepared.get_parameters()))
    await session.close()


async def test_a_reader_sees_what_people_are_to_see(untouched_url: str) -> None:
    reader = await asyncpg.connect(as_role(ROLES[ProcessRole.READER], untouched_url))
    seen = await reader.fetch(
        "SELECT email, role, status FROM users JOIN user_roles USING (user_id) JOIN subscriptions USING (user_id)"
    )
    await reader.close()
    assert seen == []


async def test_a_workers_role_makes_the_days_of_the_ledger_and_drops_old_ones(
    worker_url: str, sql: Any
) -> None:
    days = await sql.fetch(
        "SELECT inhrelid::REGCLASS::TEXT AS day FROM pg_inherits WHERE inhparent = 'webhook_events'::REGCLASS"
    )
    await sql.execute("; ".join(f"DROP TABLE {row['day']}" for row in days if "default" not in row["day"]))
    await sql.execute(
        "CREATE TABLE cogento_internal.webhook_events_20200101 PARTITION OF webhook_events "
        "FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-01-02 00:00+00')"
    )
    store = await Store.open(worker_url, pool_size=1, application_name="test")
    done = await store.run_maintenance()
    await store.close()
    assert (len(done.made), len(done.dropped)) == (8, 1)


async def test_a_worker_whose_sweep_finds_a_gap_may_ask_for_a_new_backfill(worker_url: str) -> None:
    store = await Store.open(worker_url, pool_size=1, application_name="test")
    await store.backfills.outdate()
    await store.close()


def test_every_table_of_the_machinery_is_somebodys_to_use(untouched_url: str) -> None:
    found = execute(
        untouched_url,
        "SELECT relname FROM pg_class WHERE relnamespace = 'cogento_internal'::REGNAMESPACE AND relkind IN ('r', 'p') "
        "AND relname !~ '^webhook_events_[0-9]'",
    )
    given = {table for _, inside in RIGHTS.values() for table in inside}
    assert {name for (name,) in found} == given


@pytest.fixture
def owner_url(empty_database_url: str) -> Iterator[str]:
    """An owner who is no administrator."""
    execute(
        empty_database_url,
        "CREATE ROLE strict_owner LOGIN CREATEROLE",
        "CREATE SCHEMA billing AUTHORIZATION strict_owner",
        "CREATE SCHEMA billing_internal AUTHORIZATION strict_owner",
    )
    yield with_schema(as_role("strict_owner", empty_database_url), "billing")
    execute(empty_database_url, "DROP OWNED BY strict_owner CASCADE")
    with psycopg.connect(empty_database_url) as connection:
        for role in ("strict_worker", "strict_console", "strict_reader"):
            connection.execute(
                f"DO $$BEGIN IF to_regrole('{role}') IS NOT NULL THEN DROP OWNED BY {role}; DROP ROLE {role}; END IF; END$$"
            )
        connection.execute("DROP ROLE strict_owner")


async def test_owner_worker_and_console_work_together_and_an_upgrade_renews_their_rights(
    owner_url: str, empty_database_url: str
) -> None:
    strict = {process: f"strict_{process}" for process in ProcessRole}
    migrate(owner_url)
    script = "SET search_path = billing_internal, billing;" + roles_sql(strict, "billing")
    owner = as_role("strict_owner", empty_database_url)
    execute(
        empty_database_url,
        "GRANT CONNECT ON DATABASE " + owner.rpartition("/")[2] + " TO strict_owner WITH GRANT OPTION",
    )
    execute(owner, script)
    execute(owner, script)
    execute(
        owner,
        "REVOKE ALL ON billing_internal.notices FROM strict_console",  # as a new table
        "REVOKE EXECUTE ON FUNCTION billing_internal.forget_old_activity(INTEGER) FROM strict_worker",  # as a new function
    )

    migrate(owner_url)

    worker = await Store.open(
        with_schema(as_role("strict_worker", empty_database_url), "billing"),
        pool_size=1,
        application_name="test",
    )
    await worker.apply(
        [new_customer(event="1"), subscription(event="2"), customer(event="3", at=9, name="Ada")]
    )
    await worker.run_maintenance()
    await worker.close()
    console = await Store.open(
        with_schema(as_role("strict_console", empty_database_url), "billing"),
        pool_size=1,
        application_name="test",
    )
    figures = await console.figures()
    await console.close()
    assert figures.applied_total == 2
    reader = as_role("strict_reader", empty_database_url)
    assert execute(reader, "SELECT name FROM billing.users") == [("Ada",)]
