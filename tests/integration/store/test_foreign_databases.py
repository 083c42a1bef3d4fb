"""Databases in which other programs have objects: ours are distinguished from theirs, and nothing of theirs changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from cogento.store import migrate as migration
from cogento.store.connecting import SESSION
from cogento.store.errors import MigrationRefusedError
from cogento.store.migrate import migrate
from cogento.store.store import Store
from schema import migrations
from schema.migrations import VERSION_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

RELATIONS = "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::REGNAMESPACE ORDER BY 1"


def execute(database_url: str, *statements: str) -> list[Any]:
    """Run statements and return the rows of the last one, if it has any."""
    with psycopg.connect(database_url) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def migrate_as_before(database_url: str, revision: str) -> None:
    """Bring the tables to a revision as earlier releases did, who kept it where every Alembic does."""
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    scripts = ScriptDirectory.from_config(config)
    environment = EnvironmentContext(config, scripts, fn=lambda at, _: scripts._upgrade_revs(revision, at))

    def upgrade(connection: Connection) -> None:
        connection.exec_driver_sql("SET search_path = public")
        connection.commit()
        with environment:
            environment.configure(connection=connection)
            with environment.begin_transaction():
                environment.run_migrations()

    asyncio.run(migration.run_on_connection(database_url, upgrade))


def old_session(database_url: str) -> psycopg.Connection:
    """Connect as a worker of an earlier release, which looks for tables where everybody does."""
    return psycopg.connect(
        database_url, application_name="cogento worker", options="-csearch_path=public", autocommit=True
    )


def foreign_version(*revisions: str) -> tuple[str, ...]:
    """The version table of another application."""
    return (
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY)",
        *(f"INSERT INTO alembic_version VALUES ('{revision}')" for revision in revisions),
    )


@pytest.mark.parametrize("revisions", [("d259a9bca9e7",), ("0003",), ("0006",), (), ("0003", "0004")])
def test_t18_the_revisions_of_another_application_are_left_alone_and_ours_stand_beside_them(
    empty_database_url: str, revisions: tuple[str, ...]
) -> None:
    execute(empty_database_url, *foreign_version(*revisions))

    done = migrate(empty_database_url)
    again = migrate(empty_database_url)

    assert (done.before, again.before) == (None, done.after)
    theirs = execute(empty_database_url, "SELECT version_num FROM alembic_version ORDER BY 1")
    assert theirs == [(revision,) for revision in revisions]
    assert execute(empty_database_url, f"SELECT version_num FROM {VERSION_TABLE}") == [(done.after,)]


def test_t18_a_foreign_version_table_of_another_shape_is_no_obstacle(empty_database_url: str) -> None:
    execute(
        empty_database_url, "CREATE TABLE alembic_version (id INT)", "INSERT INTO alembic_version VALUES (3)"
    )
    assert migrate(empty_database_url).before is None


@pytest.mark.parametrize("revision", ["0001", "0003", "0005", "0006"])
def test_t18_what_an_earlier_release_migrated_goes_on_from_there(
    empty_database_url: str, revision: str
) -> None:
    migrate_as_before(empty_database_url, revision)

    done = migrate(empty_database_url)

    assert (done.before, done.after) == (revision, migrate(empty_database_url).after)
    assert execute(empty_database_url, f"SELECT version_num FROM {VERSION_TABLE}") == [(done.after,)]


def test_t18_an_earlier_release_that_still_runs_or_comes_back_reads_and_migrates_as_before(
    empty_database_url: str,
) -> None:
    migrate_as_before(empty_database_url, "0006")
    with old_session(empty_database_url) as running:
        done = migrate(empty_database_url)
        running.execute("UPDATE write_probe SET written_at = now()")

        migrate_as_before(empty_database_url, "0006")

    assert (done.before, done.old_sessions) == ("0006", 1)
    assert execute(empty_database_url, "SELECT version_num FROM alembic_version") == [(done.after,)]


def test_t18_another_alembic_finds_its_constraint_free_once_ours_has_moved(empty_database_url: str) -> None:
    migrate_as_before(empty_database_url, "0006")
    migrate(empty_database_url)
    execute(empty_database_url, *foreign_version("d259a9bca9e7"))
    assert migrate(empty_database_url).before is not None


@pytest.mark.parametrize(
    ("mine", "named"),
    [
        ("CREATE TABLE users (id INT)", "users"),
        ("CREATE TABLE subscriptions (id INT)", "subscriptions"),
        ("CREATE TABLE user_roles (id INT)", "user_roles"),
        ("CREATE TYPE users AS ENUM ('a')", "users"),
        ("CREATE TABLE mine (id INT); CREATE INDEX idx_users_email ON mine (id)", "idx_users_email"),
    ],
)
def test_t19_something_of_one_of_our_names_is_named_and_nothing_is_changed(
    empty_database_url: str, mine: str, named: str
) -> None:
    execute(empty_database_url, mine)
    before = execute(empty_database_url, RELATIONS)

    with pytest.raises(MigrationRefusedError, match=f'"{named}".*Nothing was changed') as refused:
        migrate(empty_database_url)

    assert "\n" not in str(refused.value)
    assert execute(empty_database_url, RELATIONS) == before


@pytest.mark.parametrize(
    "mine",
    [
        "CREATE TABLE notices (id INT)",
        "CREATE VIEW webhook_events AS SELECT 1 AS id",
    ],
)
def test_t19_what_has_the_name_of_our_machinery_stands_beside_it_untouched(
    empty_database_url: str, mine: str
) -> None:
    execute(empty_database_url, mine)

    done, again = migrate(empty_database_url), migrate(empty_database_url)

    assert (done.before, again.before) == (None, done.after)
    assert [name for name, _ in execute(empty_database_url, RELATIONS) if name.split("_")[0] in mine]


@pytest.fixture
def role(empty_database_url: str) -> Iterator[str]:
    """A role that may log in and nothing else."""
    execute(empty_database_url, "CREATE ROLE stranger LOGIN")
    yield "stranger"
    execute(empty_database_url, "DROP OWNED BY stranger", "DROP ROLE stranger")


def test_t19_a_role_that_may_not_create_tables_is_told_what_to_grant(
    empty_database_url: str, role: str
) -> None:
    execute(empty_database_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")  # as PostgreSQL 15 comes
    with pytest.raises(
        MigrationRefusedError,
        match=r'GRANT CREATE ON SCHEMA "public".*CREATE SCHEMA "cogento_internal" AUTHORIZATION',
    ):
        migrate(empty_database_url.replace("postgres@", f"{role}@"))
    assert execute(empty_database_url, RELATIONS) == []


def test_t19_a_role_that_owns_nothing_is_told_so_where_the_tables_are_anothers(
    empty_database_url: str, role: str
) -> None:
    migrate_as_before(empty_database_url, "0005")
    execute(empty_database_url, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    execute(empty_database_url, f"GRANT CREATE ON SCHEMA public TO {role}")
    execute(empty_database_url, f"CREATE SCHEMA cogento_internal AUTHORIZATION {role}")
    before = execute(empty_database_url, RELATIONS)
    with pytest.raises(MigrationRefusedError, match="must be owner"):
        migrate(empty_database_url.replace("postgres@", f"{role}@"))
    assert execute(empty_database_url, RELATIONS) == before


@pytest.mark.parametrize(("name", "value"), SESSION.items())
def test_a_session_is_set_up_by_statements_after_it_has_begun(
    name: str, value: str, empty_database_url: str, loop: asyncio.Runner
) -> None:
    store = loop.run(Store.open(empty_database_url, pool_size=1, application_name="test"))
    (row,) = loop.run(store._database.fetch("SELECT current_setting($1) AS it", name))
    loop.run(store.close())
    assert row["it"] == value
