"""Tables change while workers run: every migration, locks that stay, outdated plans, columns of somebody else."""

from __future__ import annotations

import itertools
import re
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from alembic.script import ScriptDirectory

from cogento.events.outcomes import Reason, decided
from cogento.store import migrate as migration
from cogento.store.migrate import migrate
from schema import migrations, queries
from tests.support.policies import change
from tests.support.postgres_mail import await_quiet, names, put_names
from tests.support.servers import wait_until
from tests.support.store_deliveries import customer, new_customer

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogento.store.store import Store
    from tests.support.checker import Checker
    from tests.support.post import Post
    from worker.process import WorkerProcess

REVISIONS = [script.revision for script in ScriptDirectory(str(migrations.FOLDER)).walk_revisions()][::-1]
STEPS = list(itertools.pairwise(REVISIONS))


@pytest.fixture
def database_url(request: pytest.FixtureRequest, empty_database_url: str) -> str:
    """A database of the release before the one under test; of this one where no step is given."""
    migrate(empty_database_url, to=getattr(request, "param", "head"))
    return empty_database_url


@pytest.fixture
def worker_url(database_url: str) -> str:
    """Earlier releases knew no roles of processes."""
    return database_url


@pytest.mark.parametrize(("database_url", "after"), STEPS, indirect=["database_url"])
def test_f50_a_migration_under_running_workers_loses_nothing_and_blames_nobody(
    after: str,
    checker: Checker,
    post: Post,
    database_url: str,
    start_worker_here: Callable[..., WorkerProcess],
) -> None:
    start_worker_here(batch_events=10)
    accepted = put_names(post, 0)
    migrate(database_url, to=after)
    accepted += put_names(post, 1)
    migrate(database_url)
    await_quiet(post)

    assert names(post) == {"Name 1"}
    assert checker.judge(accepted=accepted).problems == ()


def test_f50_changes_that_are_switched_on_under_running_workers_are_complete_from_then_on(
    checker: Checker,
    post: Post,
    database_url: str,
    tables: psycopg.Connection,
    start_worker_here: Callable[..., WorkerProcess],
) -> None:
    start_worker_here(batch_events=3)
    accepted = put_names(post, 0, 1)
    migrate(database_url, changes=True)
    (first,) = tables.execute("SELECT complete_after, is_on FROM change_feed").fetchall()
    accepted += put_names(post, 2, 3)
    await_quiet(post)

    told = {row[0] for row in tables.execute("SELECT customer_id FROM changes_after(%s)", first[:1])}
    assert first[1]
    assert told == {row["id"] for row in post.rows("SELECT stripe_customer_id AS id FROM users")}
    assert checker.judge(accepted=accepted).problems == ()


@pytest.mark.parametrize("database_url", [before for before, _ in STEPS[-1:]], indirect=True)
def test_f50_a_migration_that_meets_a_lock_steps_back_and_comes_again(
    monkeypatch: pytest.MonkeyPatch, tables: psycopg.Connection, database_url: str
) -> None:
    change(monkeypatch, migration, "MIGRATION", lock_seconds=0.2, longest_pause_seconds=0.05)
    before = rollbacks(tables)
    with psycopg.connect(database_url) as busy:
        busy.execute("LOCK TABLE cogento_alembic_version IN SHARE MODE")
        release = threading.Thread(target=migrate, args=[database_url])
        release.start()
        wait_until(lambda: rollbacks(tables) > before + 1, what="the migration to step back twice")
        assert revision(tables) == STEPS[-1][0]
    release.join()
    assert revision(tables) == REVISIONS[-1]


def rollbacks(tables: psycopg.Connection) -> int:
    """How many transactions of this database were rolled back."""
    query = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    (row,) = tables.execute(query).fetchall()
    return int(row[0])


def revision(tables: psycopg.Connection) -> str:
    (row,) = tables.execute("SELECT version_num FROM cogento_alembic_version").fetchall()
    return str(row[0])


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE users ADD COLUMN more TEXT",
        "ALTER TABLE users ALTER COLUMN phone TYPE TEXT",  # no view shows it
        "ALTER TABLE webhook_events ALTER COLUMN outcome TYPE TEXT",
        "CREATE INDEX more ON users (name)",
    ],
)
async def test_f50_a_plan_from_before_a_migration_is_made_anew(store: Store, sql: Any, change: str) -> None:
    await store.apply([new_customer(1, event="1")])
    await sql.execute(change)
    result = await store.apply([customer(1, event="2", at=10, name="B"), new_customer(2, event="3")])
    assert result.results == {"evt_2": decided(Reason.NEWER), "evt_3": decided(Reason.FIRST)}


def test_f50_no_query_takes_columns_that_it_does_not_name() -> None:
    greedy = [name for name in queries.names() if re.search(r"SELECT\s+(\w+\.)?\*", queries.query(name))]
    assert queries.names()
    assert greedy == []
