"""The distribution's PgBouncer between all our processes and PostgreSQL: session mode works, the other modes are refused by name."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import psycopg
import pytest

from cogento.local.ports import free_port
from cogento.store import changes
from cogento.store.connecting import SESSION, check_connection
from cogento.store.errors import PostgresRefusedError
from cogento.store.migrate import migrate
from cogento.store.store import Store
from tests.support.builders import customer
from tests.support.pooler import ABSENT_USER, PASSWORD, PgBouncer
from tests.support.post import Post
from tests.support.running_console import RunningConsole
from tests.support.running_worker import ROOT, RunningWorker
from tests.support.servers import Running, wait_until
from tests.support.store_deliveries import new_customer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cogento.local.postgres import Postgres
    from tests.support.servers import RunningServer

    Pooled = Callable[[str], str]

TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::REGNAMESPACE"


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def ports(postgres_server: RunningServer[Postgres], servers_home: Path) -> Iterator[Callable[[str], int]]:
    """Where the PgBouncer of a mode listens; each is started once."""
    running: dict[str, Running[PgBouncer]] = {}

    def port_of(mode: str) -> int:
        if mode not in running:
            running[mode] = Running(
                PgBouncer(
                    folder=servers_home / f"pgbouncer-{mode}",
                    log=servers_home / f"pgbouncer-{mode}.log",
                    port=free_port(),
                    server_port=postgres_server.description.port,
                    mode=mode,
                )
            )
        return running[mode].description.port

    yield port_of
    for each in running.values():
        each.kill()


@pytest.fixture
def pooled(
    postgres_server: RunningServer[Postgres], empty_database_url: str, ports: Callable[[str], int]
) -> Pooled:
    """Returns the URL of the empty database behind a PgBouncer; the argument is its mode."""

    def through(mode: str) -> str:
        direct = f"postgres@127.0.0.1:{postgres_server.description.port}/"
        assert direct in empty_database_url
        return empty_database_url.replace(direct, f"postgres:{PASSWORD}@127.0.0.1:{ports(mode)}/")

    return through


def test_t20_worker_console_and_commands_work_through_a_pgbouncer_that_lends_sessions_whole(
    pooled: Pooled, redis_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    database_url = pooled("session")
    environment = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url}
    command = (sys.executable, "-m", "cogento")
    subprocess.run([*command, "migrate"], env=environment, cwd=ROOT, check=True, timeout=60)
    post = Post.open(redis_url, empty_database_url)
    worker = RunningWorker(redis_url, database_url, tmp_path / "worker.log")
    console = RunningConsole(database_url, redis_url, tmp_path / "console.log")
    try:
        post.put("customer.created", customer("cus_1"), id_="evt_1")
        wait_until(lambda: post.ledger() == {"evt_1": "applied"}, what="the event to be applied", seconds=40)
        console.await_answer()
        assert console.get("/console").status == 200
        assert b"cus_1" in console.get("/console/customers/cus_1").body
        told = subprocess.run(
            [*command, "status", "--json"], env=environment, cwd=ROOT, capture_output=True, check=False
        )
        assert b'"postgres_problem": null' in told.stdout
    finally:
        post.close()
        worker.process.kill()
        console.stop()


def test_t20_a_session_behind_a_pooler_has_our_settings(pooled: Pooled, loop: asyncio.Runner) -> None:
    store = loop.run(Store.open(pooled("session"), pool_size=1, application_name="test"))
    rows = loop.run(store._database.fetch("SELECT current_setting('lock_timeout') AS it"))
    loop.run(store.close())
    assert rows[0]["it"] == SESSION["lock_timeout"]


def test_changes_are_heard_through_a_pooler_that_lends_sessions_whole(
    pooled: Pooled, loop: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "LOOK_SECONDS", 3600)  # what comes was announced
    migrate(pooled("session"), changes=True)
    store = loop.run(Store.open(pooled("session"), pool_size=2, application_name="test"))
    assert loop.run(_first_heard(store)) == ["cus_1"]
    loop.run(store.close())


async def _first_heard(store: Store) -> list[str | None]:
    """Follow, change something, and give whose change came."""
    async with aclosing(store.changes.follow((await store.changes.state()).newest)) as pages:
        first = asyncio.ensure_future(anext(pages))
        await store.apply([new_customer(event="1")])
        return [change.customer_id for change in await first]


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_t20_a_pgbouncer_that_shares_sessions_is_named_before_anything_is_done(
    pooled: Pooled, empty_database_url: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGOPTIONS")  # what the tests set for themselves
    database_url = pooled(mode)
    with pytest.raises(PostgresRefusedError, match="pool_mode = session"):
        migrate(database_url)
    with psycopg.connect(empty_database_url) as direct:
        assert direct.execute(TABLES).fetchall() == []
    with psycopg.connect(database_url, autocommit=True, prepare_threshold=None) as other:
        # Whoever gets the session next finds it as it was.
        assert other.execute("SHOW statement_timeout").fetchall() == [("0",)]


def test_t20_a_pgbouncer_that_shares_sessions_is_named_by_a_process_that_was_there_before(
    pooled: Pooled, loop: asyncio.Runner
) -> None:
    store = loop.run(Store.open(pooled("transaction"), pool_size=1, application_name="test"))
    with pytest.raises(PostgresRefusedError, match="pool_mode = session"):
        loop.run(store.ping_write())
    loop.run(store.close())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((f":{PASSWORD}@", ":wrong@"), "refuses the password"),
        (("postgres:", "stranger:"), "refuses the password"),
        (("postgres:", f"{ABSENT_USER}:"), "does not let this user in"),
        (("/test", "/nowhere"), "no database of this name"),
    ],
)
def test_t20_what_is_refused_behind_a_pooler_is_no_outage(
    pooled: Pooled, loop: asyncio.Runner, change: tuple[str, str], said: str
) -> None:
    with pytest.raises(PostgresRefusedError, match=said):
        loop.run(check_connection(pooled("session").replace(*change), application_name="test"))


def test_t20_a_parameter_that_a_pooler_does_not_know_is_no_outage(
    pooled: Pooled, loop: asyncio.Runner
) -> None:
    with pytest.raises(PostgresRefusedError, match="what stands after the"):
        loop.run(check_connection(f"{pooled('session')}?options=-cgeqo%3Doff", application_name="test"))
