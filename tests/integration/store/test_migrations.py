"""The tables as the owner names them, and migrations that are safe whoever else runs one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from cogento.events.kinds import KINDS
from cogento.retries import FailureClass
from cogento.store.errors import MigrationError, PostgresRefusedError, classify
from cogento.store.migrate import migrate
from tests.support.servers import wait_until

OLD_LETTER = """
    INSERT INTO dead_letters (event_id, event_type, customer_id, object_id, event_created_at, received_at,
                              reason, failure_class, message, fingerprint, source, raw_sha256)
    VALUES (%s, %s, 'cus_1', 'sub_1', now(), now(), 'bug', 'bug', '', '', 'webhook', '')
"""
OWNERS_COLUMNS = {
    "users": {
        "user_id": "uuid NOT NULL",
        "email": "character varying NOT NULL",
        "stripe_customer_id": "character varying NOT NULL",
        "name": "character varying",
        "phone": "character varying",
        "address": "jsonb",
        "metadata": "jsonb NOT NULL",
        "stripe_created_at": "timestamp with time zone",
        "stripe_updated_at": "timestamp with time zone",
        "synced_at": "timestamp with time zone NOT NULL",
        "last_webhook_event_id": "character varying",
    },
    "subscriptions": {
        "subscription_id": "uuid NOT NULL",
        "stripe_subscription_id": "character varying NOT NULL",
        "user_id": "uuid NOT NULL",
        "product_id": "character varying",
        "status": "character varying NOT NULL",
        "current_period_start": "timestamp with time zone",
        "current_period_end": "timestamp with time zone",
        "metadata": "jsonb NOT NULL",
        "synced_at": "timestamp with time zone NOT NULL",
    },
    "user_roles": {
        "user_id": "uuid NOT NULL",
        "role": "character varying NOT NULL",
        "created_at": "timestamp with time zone NOT NULL",
    },
}
OWNERS_INDEXES = {
    "idx_users_email": "CREATE UNIQUE INDEX idx_users_email ON public.users USING btree (email)",
    "idx_users_stripe_customer_id": "CREATE UNIQUE INDEX idx_users_stripe_customer_id ON public.users USING btree (stripe_customer_id)",
    "idx_users_metadata_gin": "CREATE INDEX idx_users_metadata_gin ON public.users USING gin (metadata)",
    "idx_subscriptions_user_id": "CREATE INDEX idx_subscriptions_user_id ON public.subscriptions USING btree (user_id)",
    "idx_subscriptions_stripe_subscription_id": "CREATE UNIQUE INDEX idx_subscriptions_stripe_subscription_id ON public.subscriptions USING btree (stripe_subscription_id)",
    "idx_subscriptions_status": "CREATE INDEX idx_subscriptions_status ON public.subscriptions USING btree (status)",
    "idx_subscriptions_metadata_gin": "CREATE INDEX idx_subscriptions_metadata_gin ON public.subscriptions USING gin (metadata)",
    "idx_user_roles_user_id": "CREATE INDEX idx_user_roles_user_id ON public.user_roles USING btree (user_id)",
    "idx_user_roles_role": "CREATE INDEX idx_user_roles_role ON public.user_roles USING btree (role)",
}


async def test_the_tables_have_the_owners_columns(catalogue: Any) -> None:
    rows = await catalogue.fetch(
        """
        SELECT attrelid::REGCLASS::TEXT AS table_name, attname AS name,
               format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END AS type
        FROM pg_attribute
        WHERE attrelid = ANY($1::REGCLASS[]) AND attnum > 0
        """,
        list(OWNERS_COLUMNS),
    )
    found = {(row["table_name"], row["name"]): row["type"] for row in rows}
    wanted = {
        (table, name): type_ for table, names in OWNERS_COLUMNS.items() for name, type_ in names.items()
    }
    assert {key: found.get(key) for key in wanted} == wanted


async def test_the_indexes_have_the_owners_names(catalogue: Any) -> None:
    rows = await catalogue.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
    found = {row["indexname"]: row["indexdef"] for row in rows}
    assert {name: found.get(name) for name in OWNERS_INDEXES} == OWNERS_INDEXES


async def test_unique_columns_are_constraints_that_own_the_named_index(catalogue: Any) -> None:
    rows = await catalogue.fetch(
        "SELECT conname FROM pg_constraint WHERE contype = 'u' AND conindid::REGCLASS::TEXT = conname AND connamespace = 'public'::REGNAMESPACE"
    )
    assert {row["conname"] for row in rows} == {
        "idx_users_email",
        *(f"idx_{kind.table}_{kind.stripe_id_column}" for kind in KINDS),
    }


async def test_no_list_of_columns_is_indexed_twice(catalogue: Any) -> None:
    twice = await catalogue.fetch(
        """
        SELECT indrelid::REGCLASS::TEXT, array_agg(indexrelid::REGCLASS::TEXT)
        FROM pg_index
        WHERE indrelid = ANY(ARRAY['users', 'subscriptions', 'user_roles', 'webhook_events']::REGCLASS[])
        GROUP BY indrelid, indkey::TEXT
        HAVING count(*) > 1
        """
    )
    assert twice == []


async def test_every_table_and_column_is_commented(catalogue: Any) -> None:
    bare = await catalogue.fetch(
        """
        SELECT c.relname, a.attname
        FROM pg_class AS c
        INNER JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped
        WHERE c.relnamespace = ANY('{public,cogento_internal}'::REGNAMESPACE[])
          AND c.relkind IN ('r', 'p')
          AND c.relname <> 'cogento_alembic_version'
          AND (col_description(c.oid, a.attnum) IS NULL
               OR (obj_description(c.oid, 'pg_class') IS NULL AND NOT c.relispartition))
        """
    )
    assert bare == []


@pytest.mark.parametrize("role", ["superuser", "admin", "user", "member"])
async def test_a_role_is_one_of_four(sql: Any, role: str) -> None:
    await sql.execute("INSERT INTO users (email, stripe_customer_id) VALUES ('a@b.c', 'cus_1')")
    await sql.execute("INSERT INTO user_roles (user_id, role) SELECT user_id, $1 FROM users", role)
    with pytest.raises(Exception, match="user_roles_role_check"):
        await sql.execute("UPDATE user_roles SET role = 'root'")


def test_migrating_again_changes_nothing(database_url: str) -> None:
    again = migrate(database_url)
    assert again.before == again.after
    assert again.days_made == ()


def test_the_scheme_that_heroku_gives_is_understood(empty_database_url: str) -> None:
    done = migrate(empty_database_url.replace("postgresql://", "postgres://") + "?sslmode=prefer")
    assert done.before is None
    assert done.after is not None


def test_letters_from_before_are_known_as_removals(empty_database_url: str) -> None:
    migrate(empty_database_url, to="0004")
    with psycopg.connect(empty_database_url) as before:
        for type_ in ("customer.subscription.deleted", "customer.updated"):
            before.execute(OLD_LETTER, (type_, type_))
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as after:
        found = after.execute("SELECT event_type FROM dead_letters WHERE removal").fetchall()
    assert found == [("customer.subscription.deleted",)]


def test_two_releases_at_once_migrate_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor() as releases:
        both = list(releases.map(migrate, [empty_database_url] * 2))
    assert sorted(done.before is None for done in both) == [False, True]
    assert len({done.after for done in both}) == 1
    assert sorted(len(done.days_made) for done in both)[1] > 0


def test_a_database_of_a_newer_release_is_left_as_it_is(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE cogento_alembic_version SET version_num = '9999'")
    done = migrate(database_url)
    assert (done.before, done.after) == ("9999", "9999")


def test_postgres_that_is_away_is_said_without_the_password() -> None:
    with pytest.raises(OSError, match="Connection refused") as caught:
        migrate("postgresql://cogento:hunter2@127.0.0.1:1/cogento")
    assert classify(caught.value) is FailureClass.INFRASTRUCTURE
    assert "hunter2" not in str(caught.value)


def test_a_url_of_something_else_is_said_without_the_password() -> None:
    with pytest.raises(PostgresRefusedError, match="DATABASE_URL") as caught:
        migrate("mysql://cogento:hunter2@127.0.0.1:1/cogento")
    assert "hunter2" not in str(caught.value)


def test_a_migration_gives_up_in_clear_words_when_a_lock_stays(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as holder:
        holder.execute("SELECT pg_advisory_lock(hashtext('cogento.migrate'))")
        with pytest.raises(MigrationError, match="pg_stat_activity"):
            migrate(empty_database_url, patience_seconds=0)


def test_a_migration_waits_for_a_lock_that_goes_away(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(hashtext('cogento.migrate'))")
        release = threading.Thread(target=migrate, args=[empty_database_url])
        release.start()
        wait_until(lambda: _waiting(holder) == 1, what="the migration to wait")
        holder.execute("SELECT pg_advisory_unlock_all()")
        release.join()
        assert holder.execute("SELECT count(*) FROM cogento_alembic_version").fetchone() == (1,)


def _waiting(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    ).fetchone()
    return row[0] if row else 0
