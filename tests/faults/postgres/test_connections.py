"""Connections that are used up, frozen or ended: the class of the error, and what the next call finds."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from cogento import runtime
from cogento.events.outcomes import Reason, decided
from cogento.retries import FailureClass
from cogento.store import connecting
from cogento.store.database import Database
from cogento.store.errors import PostgresUnavailableError
from cogento.store.store import Store
from tests.support.databases import as_role
from tests.support.postgres_mail import await_quiet, names, put_names, why_open
from tests.support.postgres_watching import blamed, until, until_waiting
from tests.support.proxy import Proxy
from tests.support.servers import wait_until
from tests.support.store_deliveries import customer, new_customer

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg
    import psycopg

    from cogento.local.postgres import Postgres
    from tests.support.checker import Checker
    from tests.support.post import Post
    from tests.support.servers import RunningServer
    from tests.support.worker_here import WorkerHere

OURS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'test' AND datname = current_database()"
END_WORKERS = """
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE application_name = 'cogento worker' AND datname = current_database()
"""


def test_f32_a_role_out_of_connections_is_waited_for_without_a_crash_loop(
    checker: Checker,
    post: Post,
    tables: psycopg.Connection,
    database_url: str,
    start_worker_here: Callable[..., WorkerHere],
) -> None:
    tables.execute("CREATE ROLE poor LOGIN CONNECTION LIMIT 0 IN ROLE cogento_worker")
    accepted = put_names(post, 0, 1)
    worker = start_worker_here(database_url=as_role("poor", database_url))
    wait_until(lambda: why_open(post) == "53300", what="the circuit to open")

    tables.execute("ALTER ROLE poor CONNECTION LIMIT 10")
    await_quiet(post)
    worker.stop()
    tables.execute("DROP ROLE poor")

    assert names(post) == {"Name 1"}
    assert checker.judge(accepted=accepted).problems == ()


def test_f33_a_pool_without_a_free_connection_is_nobodys_fault(
    monkeypatch: pytest.MonkeyPatch, checker: Checker, post: Post, database_url: str
) -> None:
    store = runtime.run(Store.open(database_url, pool_size=1, application_name="test"))
    held = runtime.run(store.try_leader_lease("everything"))
    assert held is not None
    accepted = put_names(post, 0)

    with monkeypatch.context() as impatient:
        impatient.setattr("cogento.store.database.ACQUIRE_SECONDS", 0.05)
        post.drain(store)
    assert (why_open(post), post.mailboxes.status().ready) == ("PostgresSilentError", 25)
    runtime.run(held.end())
    wait_until(lambda: drained(post, store), what="the circuit to let events through")
    runtime.run(store.close())

    assert checker.judge(accepted=accepted).problems == ()


def drained(post: Post, store: Store) -> bool:
    post.drain(store)
    return post.mailboxes.status().waiting == 0


@pytest.mark.parametrize("steps", range(4))
async def test_f37_a_commit_after_half_a_goodbye_is_a_lost_connection(
    tables: psycopg.Connection, database_url: str, steps: int
) -> None:
    database = await Database.open(database_url, pool_size=1, application_name="test")

    async def work(connection: asyncpg.Connection) -> None:
        backend = await connection.fetchval("SELECT pg_backend_pid()")
        tables.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
        for _ in range(
            steps
        ):  # what the server said is read in one step of the loop, that it has gone in the next
            await asyncio.sleep(0)

    assert await blamed(database.transaction(work)) is FailureClass.INFRASTRUCTURE
    assert await database.fetch("SELECT 1")
    await database.close()


async def test_f36_a_server_that_swallows_everything_is_given_up_and_its_connection_too(
    monkeypatch: pytest.MonkeyPatch, proxy: Proxy
) -> None:
    monkeypatch.setattr(connecting, "COMMAND_SECONDS", 0.2)
    store = await Store.open(proxy.url, pool_size=1, application_name="test")
    await store.ping_write()
    proxy.black_hole()
    with pytest.raises(PostgresUnavailableError):
        await store.roles.granted()
    proxy.heal()
    assert await store.roles.granted() == []
    await store.close()


async def test_f36_a_frozen_backend_is_given_up_and_its_connection_too(
    monkeypatch: pytest.MonkeyPatch, database_url: str, sql: Any
) -> None:
    monkeypatch.setattr(connecting, "COMMAND_SECONDS", 0.2)
    store = await Store.open(database_url, pool_size=1, application_name="test")
    await store.ping_write()
    frozen = await sql.fetchval(OURS)
    os.kill(frozen, signal.SIGSTOP)
    assert await blamed(store.apply([new_customer(1, event="1")])) is FailureClass.INFRASTRUCTURE
    result = await store.apply([new_customer(1, event="1")])
    os.kill(frozen, signal.SIGCONT)
    await store.close()
    assert result.results == {"evt_1": decided(Reason.FIRST)}


async def test_f36_a_postmaster_that_takes_no_connections_is_given_up(
    monkeypatch: pytest.MonkeyPatch, database_url: str, postgres_server: RunningServer[Postgres]
) -> None:
    monkeypatch.setattr(connecting, "CONNECT_SECONDS", 0.2)
    store = await Store.open(database_url, pool_size=1, application_name="test")
    os.kill(postgres_server.pid, signal.SIGSTOP)
    found = await blamed(store.ping_write())
    os.kill(postgres_server.pid, signal.SIGCONT)
    await store.ping_write()
    await store.close()
    assert found is FailureClass.INFRASTRUCTURE


async def test_f37_a_backend_terminated_while_it_works_is_infrastructure(
    store: Store, sql: Any, more_sql: Any
) -> None:
    await store.apply([new_customer(1, event="1")])
    async with sql.transaction():
        await sql.execute("SELECT FROM users FOR UPDATE")
        ours = asyncio.create_task(store.apply([customer(1, event="2", at=10)]))
        await until_waiting(more_sql)
        await _terminate_ours(more_sql)
        assert await blamed(ours) is FailureClass.INFRASTRUCTURE
    result = await store.apply([customer(1, event="2", at=10)])
    assert result.results == {"evt_2": decided(Reason.UNCHANGED)}


async def test_f37_a_backend_terminated_while_idle_costs_at_most_one_call(store: Store, sql: Any) -> None:
    await store.roles.granted()
    await _terminate_ours(sql)
    await asyncio.gather(store.roles.granted(), return_exceptions=True)
    await store.roles.granted()


async def test_f37_a_process_frozen_inside_a_transaction_loses_it(
    monkeypatch: pytest.MonkeyPatch, database_url: str, sql: Any
) -> None:
    monkeypatch.setitem(connecting.SESSION, "idle_in_transaction_session_timeout", "20ms")
    store = await Store.open(database_url, pool_size=1, application_name="frozen")

    async def freeze(connection: asyncpg.Connection) -> None:
        await connection.execute("INSERT INTO users (email, stripe_customer_id) VALUES ('a@b.c', 'cus_1')")
        await until(sql, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'frozen'")
        await connection.execute("INSERT INTO users (email, stripe_customer_id) VALUES ('d@e.f', 'cus_2')")

    found = await blamed(store._database.transaction(freeze))
    await store.close()
    assert found is FailureClass.INFRASTRUCTURE
    assert await sql.fetchval("SELECT count(*) FROM users") == 0


async def test_f9_a_process_frozen_in_the_middle_of_a_statement_loses_its_transaction(
    monkeypatch: pytest.MonkeyPatch, database_url: str, sql: Any, a_server_that_bounds_transactions: None
) -> None:
    monkeypatch.setattr(connecting, "TRANSACTION_TIMEOUT", "500ms")
    pool = await connecting.open_pool(database_url, pool_size=1, application_name="frozen")
    session = "FROM pg_stat_activity WHERE application_name = 'frozen'"

    frozen = await pool.acquire()
    await frozen.execute("BEGIN")
    await frozen.prepare("SELECT 1")  # the server waits for what comes next, and calls that active
    await until(sql, f"SELECT count(*) = 1 {session} AND state = 'active' AND wait_event = 'ClientRead'")

    await until(sql, f"SELECT count(*) = 0 {session}")
    pool.terminate()


@pytest.fixture
def a_server_that_bounds_transactions(tables: psycopg.Connection) -> None:
    if tables.info.server_version < 170000:
        pytest.skip("transaction_timeout came with PostgreSQL 17")


def test_f37_workers_whose_connections_are_ended_again_and_again_lose_nothing(
    checker: Checker,
    post: Post,
    tables: psycopg.Connection,
    start_worker_here: Callable[..., WorkerHere],
) -> None:
    start_worker_here(batch_events=10)
    accepted = [id_ for version in range(6) for id_ in put_names_and_end_workers(post, tables, version)]
    await_quiet(post)

    assert names(post) == {"Name 5"}
    assert checker.judge(accepted=accepted).problems == ()


def put_names_and_end_workers(post: Post, tables: psycopg.Connection, version: int) -> list[str]:
    accepted = put_names(post, version)
    tables.execute(END_WORKERS)
    return accepted


def test_f37_a_single_connection_that_is_ended_stops_no_worker(
    checker: Checker, post: Post, tables: psycopg.Connection
) -> None:
    accepted = put_names(post, 0)
    post.drain()
    tables.execute(END_WORKERS)
    accepted += put_names(post, 1)

    post.drain()

    assert (why_open(post), names(post)) == (None, {"Name 1"})
    assert checker.judge(accepted=accepted).problems == ()


async def _terminate_ours(sql: Any) -> None:
    await sql.execute(OURS.replace("pid", "pg_terminate_backend(pid)", 1))
