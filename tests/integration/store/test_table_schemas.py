"""The machinery's move to a schema of its own, out of that in which earlier releases made everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.events.kinds import KINDS
from cogento.store.migrate import migrate
from cogento.store.store import Store
from cogento.store.table_schemas import VIEWS_FOR_PEOPLE
from tests.integration.store.test_foreign_databases import execute, migrate_as_before, old_session
from tests.support.store_deliveries import customer, new_customer, subscription

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

IN_SCHEMA = """
SELECT relname, relkind FROM pg_class
WHERE relnamespace = 'public'::REGNAMESPACE AND relkind <> 'i' AND relkind <> 'I'
ORDER BY 1
"""
PEOPLE_SEE = sorted(
    [
        *((kind.table, "r") for kind in KINDS),
        ("user_roles", "r"),
        *((view, "v") for view in VIEWS_FOR_PEOPLE),
    ]
)
FILES = """
SELECT c.relname, c.relfilenode FROM pg_class AS c
WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'cogento_internal'))
  AND c.relname <> ALL($1) AND c.relkind IN ('r', 'i', 'S')
ORDER BY 1
"""
BEFORE = "0011"
DAY = "webhook_events_20261120"


@pytest.fixture
def before(empty_database_url: str) -> str:
    """A database as the release before left it: rows, a day of the ledger, a view and a reader's grants."""
    migrate_as_before(empty_database_url, BEFORE)
    execute(
        empty_database_url,
        "ALTER TABLE alembic_version RENAME TO cogento_alembic_version",
        f"CREATE TABLE {DAY} PARTITION OF webhook_events FOR VALUES FROM ('2026-11-20 00:00+00') TO ('2026-11-21 00:00+00')",
        """INSERT INTO webhook_events (event_id, event_created_at, event_type, customer_id, object_id, received_at, outcome, source)
           VALUES ('evt_1', '2026-11-20 12:00+00', 'customer.updated', 'cus_1', 'cus_1', now(), 'applied', 'webhook')""",
        "INSERT INTO users (email, stripe_customer_id) VALUES ('a@example.com', 'cus_0')",
        "INSERT INTO activity (who, action) VALUES ('ops', 'pause')",
        "CREATE VIEW outcomes AS SELECT event_id, outcome FROM webhook_events",
    )
    return empty_database_url


@pytest.fixture
def reader(before: str) -> Iterator[str]:
    """A role that may read the ledger, a column of the letters, and the view."""
    execute(
        before,
        "CREATE ROLE grafana LOGIN",
        "GRANT SELECT ON webhook_events, outcomes TO grafana",
        "GRANT SELECT (reason) ON dead_letters TO grafana",
    )
    yield before.replace("postgres@", "grafana@")
    execute(before, "DROP OWNED BY grafana", "DROP ROLE grafana")


def test_people_see_the_tables_of_people_alone(empty_database_url: str) -> None:
    migrate(empty_database_url)
    assert execute(empty_database_url, IN_SCHEMA) == PEOPLE_SEE


def test_an_upgrade_moves_the_machinery_and_keeps_rows_views_and_grants(before: str, reader: str) -> None:
    made_since = [
        "cogento_alembic_version_pkc",
        "cogento_alembic_version",
        "idx_dead_letter_actions_letter_id",
        "idx_dead_letters_cause",
        "idx_dead_letters_unresolved_died_at",
    ]
    files = execute(before, FILES.replace("$1", f"ARRAY{made_since}::TEXT[]"))

    done = migrate(before)

    assert (done.before, done.old_sessions) == (BEFORE, 0)
    assert execute(before, IN_SCHEMA) == sorted([("outcomes", "v"), *PEOPLE_SEE])
    kept = dict(execute(before, FILES.replace("$1", f"ARRAY{made_since}::TEXT[]")))
    assert {name: kept.get(name) for name, _ in files} == dict(files)  # nothing was written anew
    assert execute(reader, "SELECT * FROM public.outcomes") == [("evt_1", "applied")]
    assert execute(reader, "SELECT outcome FROM cogento_internal.webhook_events") == [("applied",)]
    assert execute(reader, "SELECT reason FROM cogento_internal.dead_letters") == []
    assert execute(before, "SELECT tableoid::REGCLASS::TEXT FROM cogento_internal.webhook_events") == [(DAY,)]
    assert execute(before, "INSERT INTO activity (who, action) VALUES ('ops', 'resume') RETURNING id") == [
        (2,)
    ]


def test_while_a_process_of_the_release_before_runs_it_finds_everything_where_it_was(before: str) -> None:
    with old_session(before) as running:
        done = migrate(before)
        running.execute("INSERT INTO sweep_progress DEFAULT VALUES ON CONFLICT DO NOTHING")
        assert running.execute("SELECT outcome FROM webhook_events").fetchall() == [("applied",)]
        assert running.execute("SELECT version_num FROM cogento_alembic_version").fetchall() == [
            (done.after,)
        ]
    assert (done.after, done.old_sessions) == (migrate(before).before, 1)
    assert execute(before, IN_SCHEMA) == sorted([("outcomes", "v"), *PEOPLE_SEE])


async def test_a_process_of_this_release_works_before_the_move_while_it_happens_and_after(
    before: str, store_before: Store
) -> None:
    with old_session(before):
        migrate(before)
    await store_before.apply([new_customer(event="a", name="Ada"), subscription(event="b")])

    done = migrate(before)

    assert done.old_sessions == 0
    await store_before.apply([customer(event="c", at=10, name="Bob")])
    assert execute(before, "SELECT name FROM users WHERE stripe_customer_id = 'cus_1'") == [("Bob",)]
    assert execute(before, "SELECT count(*) FROM cogento_internal.webhook_events") == [(4,)]
    assert (await store_before.run_maintenance()).made == ()


@pytest.fixture
def store_before(loop: asyncio.Runner, before: str) -> Iterator[Store]:
    """A worker's store, opened before the migration."""
    opened = loop.run(Store.open(before, pool_size=2, application_name="cogento worker"))
    yield opened
    loop.run(opened.close())
