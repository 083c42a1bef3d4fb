"""docs/reacting.md and its example, unchanged: a session ends when its subscription does, also after the program was away."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cogento import runtime
from cogento.local.process import Command, Process
from cogento.store.process_roles import ProcessRole
from cogento.store.store import Store
from tests.support.databases import ROLES, as_role
from tests.support.servers import wait_until
from tests.support.store_deliveries import deleted_customer, new_customer, subscription
from tests.support.stores import lend_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogento.store.store import Delivery
    from tests.support.databases import Administration

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "end_sessions.py"
PAGE = (ROOT / "docs" / "reacting.md").read_text()
STATEMENTS = [
    statement.strip()
    for block in re.findall(r"```sql\n(.*?)```", PAGE, flags=re.DOTALL)
    for statement in block.split(";")
    if statement.strip()
]


@pytest.fixture
def database_url(administration: Administration, announcing_template: str) -> Iterator[str]:
    yield from administration.lend(template=announcing_template)


@pytest.fixture
def store(worker_url: str) -> Iterator[Store]:
    """What a worker writes through."""
    yield from lend_store(worker_url)


@pytest.fixture
def sql(database_url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """The application's database, with its own tables in the hands of the reader's role."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute((ROOT / "docs" / "examples" / "sessions.sql").read_bytes())
        connection.execute("GRANT ALL ON SCHEMA app TO cogento_reader")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA app TO cogento_reader")
        yield connection


@pytest.fixture
def start_example(database_url: str, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    """Start the example as the application would, and end it with the test."""
    started: list[Process] = []
    environment = {"DATABASE_URL": as_role(ROLES[ProcessRole.READER], database_url)}

    def start() -> Process:
        command = Command(
            argv=(sys.executable, str(EXAMPLE)),
            log=tmp_path / "log",
            environment=environment,
            folder=tmp_path,
        )
        started.append(Process(command))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def apply(store: Store, *deliveries: Delivery) -> None:
    runtime.run(store.apply(deliveries))


def sign_in(sql: psycopg.Connection[Any], customer_id: str) -> None:
    sql.execute(
        "INSERT INTO app.sessions (user_id) SELECT user_id FROM users WHERE stripe_customer_id = %s",
        [customer_id],
    )


def ended(sql: psycopg.Connection[Any]) -> list[str]:
    rows = sql.execute(
        "SELECT stripe_customer_id FROM app.sessions JOIN users USING (user_id) WHERE ended_at IS NOT NULL ORDER BY 1"
    )
    return [customer_id for (customer_id,) in rows]


def listens(sql: psycopg.Connection[Any]) -> bool:
    """Tell whether the example has read all changes, and waits for more."""
    waiting = sql.execute(
        "SELECT count(*) FROM app.position, cogento_internal.newest_change() AS newest, pg_stat_activity AS session "
        "WHERE seen = newest AND session.usename = 'cogento_reader' AND session.state = 'idle' "
        "AND session.datname = current_database()"
    ).fetchone()
    return waiting == (1,)


def test_a_session_ends_with_its_subscription_and_others_go_on(
    store: Store, sql: psycopg.Connection[Any], start_example: Callable[[], Process]
) -> None:
    apply(store, new_customer(1, event="1"), subscription(1, event="2", of=1, status="active"))
    apply(store, new_customer(2, event="3"), subscription(2, event="4", of=2, status="active"))
    sign_in(sql, "cus_1")
    sign_in(sql, "cus_2")
    start_example()
    wait_until(lambda: listens(sql), what="the example to listen")

    apply(store, subscription(1, event="5", at=9, of=1, status="canceled"))

    wait_until(lambda: ended(sql) == ["cus_1"], what="the session to end")
    wait_until(lambda: listens(sql), what="the example to have read everything")
    assert ended(sql) == ["cus_1"]


def test_what_ended_while_it_was_away_ends_when_it_is_back(
    store: Store, sql: psycopg.Connection[Any], start_example: Callable[[], Process]
) -> None:
    for number in (1, 2, 3):
        apply(
            store,
            new_customer(number, event=f"1{number}"),
            subscription(number, event=f"2{number}", of=number, status="active"),
        )
        sign_in(sql, f"cus_{number}")
    example = start_example()
    wait_until(lambda: listens(sql), what="the example to listen")
    example.kill()

    apply(store, subscription(1, event="3", at=9, of=1, status="canceled"))
    apply(store, deleted_customer(2, event="4", at=9))
    start_example()

    wait_until(lambda: ended(sql) == ["cus_1", "cus_2"], what="both sessions to end")


def test_what_ended_so_long_ago_that_the_changes_are_gone_ends_too(
    store: Store, sql: psycopg.Connection[Any], start_example: Callable[[], Process]
) -> None:
    apply(store, new_customer(1, event="1"), subscription(1, event="2", of=1, status="active"))
    sign_in(sql, "cus_1")
    example = start_example()
    wait_until(lambda: listens(sql), what="the example to listen")
    example.kill()

    apply(store, subscription(1, event="3", at=9, of=1, status="canceled"))
    sql.execute("UPDATE cogento_internal.changes SET changed_at = now() - INTERVAL '1 year'")
    runtime.run(store.run_maintenance())
    start_example()

    wait_until(lambda: ended(sql) == ["cus_1"], what="the session to end")


def test_nobody_signs_in_without_a_live_subscription(
    store: Store, sql: psycopg.Connection[Any], database_url: str
) -> None:
    apply(store, new_customer(1, event="1"), subscription(1, event="2", of=1, status="active"))
    apply(store, new_customer(2, event="3"))
    script = (
        "import asyncio, sys, asyncpg, end_sessions\n"
        "async def main():\n"
        "    connection = await asyncpg.connect(sys.argv[1])\n"
        "    print([bool(await end_sessions.begin_session(connection, one)) for one in sys.argv[2:]])\n"
        "asyncio.run(main())"
    )
    ids = [str(row[0]) for row in sql.execute("SELECT user_id FROM users ORDER BY stripe_customer_id")]
    url = as_role(ROLES[ProcessRole.READER], database_url)

    said = subprocess.run(
        [sys.executable, "-c", script, url, *ids],
        cwd=EXAMPLE.parent,
        check=True,
        capture_output=True,
        text=True,
    )

    assert said.stdout == "[True, False]\n"


@pytest.mark.parametrize("statement", STATEMENTS)
def test_statement_on_the_page_runs(sql: psycopg.Connection[Any], statement: str) -> None:
    sql.execute("ALTER SEQUENCE cogento_internal.changes_change_id_seq RESTART WITH 4712")
    sql.execute(
        "INSERT INTO cogento_internal.changes (kind, action, user_id) VALUES ('role', 'insert', gen_random_uuid())"
    )
    assert len(sql.execute(statement.encode()).fetchall()) == 1


def test_the_code_on_the_page_is_the_example_s() -> None:
    (shown,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert shown in EXAMPLE.read_text()


def test_the_page_names_every_column(sql: psycopg.Connection[Any]) -> None:
    columns = sql.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'cogento_internal.changes'::REGCLASS AND attnum > 0"
    ).fetchall()
    named = set(
        re.findall(
            r"`(\w+)`", "".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
        )
    )
    assert named == {name for (name,) in columns}
