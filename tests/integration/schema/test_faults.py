"""Postgres restarting, vanishing, refusing, freezing: who is blamed, what is run again, and that nothing is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from events.outcomes import Applied, Duplicate, Reason, Unchanged
from events.retry import FailureClass
from schema import connecting
from schema.errors import PostgresUnavailableError, classify
from schema.store import Store
from tests.integration.schema.deliveries import customer, new_customer, subscription
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from local.postgres import Postgres
    from tests.servers import RunningServer

FAIL_SOMETIMES = """
CREATE SEQUENCE tries;
CREATE FUNCTION fail() RETURNS TRIGGER LANGUAGE plpgsql AS
$$BEGIN
    IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END IF;
    RETURN NEW;
END$$;
CREATE TRIGGER fail BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION fail();
"""
ALWAYS = 1000


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with Proxy(database_url) as between:
        yield between


@pytest.fixture
def proxied_store(loop: asyncio.Runner, proxy: Proxy) -> Iterator[Store]:
    opened = loop.run(Store.open(proxy.url, pool_size=1, application_name="test through a proxy"))
    yield opened
    loop.run(opened.close())


@pytest.mark.parametrize("fault", ["restart", "crash"])
async def test_after_a_restart_the_pool_heals_and_no_event_is_blamed(
    store: Store, sql: Any, postgres_server: RunningServer[Postgres], fault: str
) -> None:
    await store.apply([new_customer(1, event="1")])
    _FAULTS[fault](postgres_server)
    blamed = await _blamed(store.apply([new_customer(2, event="2")]))
    assert blamed is FailureClass.INFRASTRUCTURE
    result = await store.apply([new_customer(2, event="2")])
    assert result.outcomes == {"evt_2": Applied(Reason.FIRST)}


async def test_a_commit_whose_answer_is_lost_is_found_in_the_ledger(
    proxied_store: Store, proxy: Proxy, sql: Any
) -> None:
    await proxied_store.ping_write()
    proxy.cut_on(b"COMMIT", delivered=True)
    blamed = await _blamed(proxied_store.apply([new_customer(1, event="1")]))
    assert blamed is FailureClass.INFRASTRUCTURE
    result = await proxied_store.apply([new_customer(1, event="1")])
    assert result.outcomes == {"evt_1": Duplicate()}
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 1


async def test_a_commit_that_never_arrived_is_done_by_the_next_try(
    proxied_store: Store, proxy: Proxy, sql: Any
) -> None:
    await proxied_store.ping_write()
    proxy.cut_on(b"COMMIT", delivered=False)
    blamed = await _blamed(proxied_store.apply([new_customer(1, event="1")]))
    assert blamed is FailureClass.INFRASTRUCTURE
    result = await proxied_store.apply([new_customer(1, event="1")])
    assert result.outcomes == {"evt_1": Applied(Reason.FIRST)}


async def test_a_server_that_does_not_answer_is_given_up_and_its_connection_too(
    monkeypatch: pytest.MonkeyPatch, proxy: Proxy
) -> None:
    monkeypatch.setattr(connecting, "COMMAND_SECONDS", 0.2)
    store = await Store.open(proxy.url, pool_size=1, application_name="test")
    await store.ping_write()
    proxy.black_hole()
    with pytest.raises(PostgresUnavailableError):
        await store.ping_write()
    proxy.heal()
    await store.ping_write()
    await store.close()


async def test_a_server_that_is_away_is_infrastructure(proxied_store: Store, proxy: Proxy) -> None:
    proxy.refuse()
    blamed = await _blamed(proxied_store.ping_write())
    assert blamed is FailureClass.INFRASTRUCTURE


async def test_a_read_only_server_fails_the_write_probe(database_url: str, sql: Any) -> None:
    name = database_url.rpartition("/")[2]
    await sql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    store = await Store.open(database_url, pool_size=1, application_name="test")
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError) as caught:
        await store.ping_write()
    await store.close()
    assert classify(caught.value) is FailureClass.INFRASTRUCTURE


async def test_a_role_out_of_connections_is_infrastructure(database_url: str, sql: Any) -> None:
    await sql.execute("CREATE ROLE poor LOGIN CONNECTION LIMIT 0")
    parts = urlsplit(database_url)
    as_poor = parts._replace(netloc=f"poor@{parts.netloc.rpartition('@')[2]}").geturl()
    store = await Store.open(as_poor, pool_size=1, application_name="test")
    with pytest.raises(asyncpg.TooManyConnectionsError) as caught:
        await store.ping_write()
    await store.close()
    await sql.execute("DROP ROLE poor")
    assert classify(caught.value) is FailureClass.INFRASTRUCTURE


async def test_a_pool_without_a_free_connection_is_infrastructure(
    monkeypatch: pytest.MonkeyPatch, proxied_store: Store, sql: Any
) -> None:
    monkeypatch.setattr("schema.database.ACQUIRE_SECONDS", 0.05)
    async with proxied_store._database.connection():
        with pytest.raises(PostgresUnavailableError, match="no connection"):
            await proxied_store.ping_write()


@pytest.mark.parametrize("code", ["40001", "40P01", "55P03", "0A000", "23505"])
async def test_a_transaction_that_met_another_runs_again_in_place(store: Store, sql: Any, code: str) -> None:
    await sql.execute(FAIL_SOMETIMES.format(times=4, code=code))
    result = await store.apply([new_customer(1, event="1")])
    assert result.outcomes == {"evt_1": Applied(Reason.FIRST)}
    assert await sql.fetchval("SELECT last_value FROM tries") == 5


async def test_after_five_times_contention_is_somebody_elses_decision(store: Store, sql: Any) -> None:
    await sql.execute(FAIL_SOMETIMES.format(times=ALWAYS, code="40001"))
    with pytest.raises(asyncpg.SerializationError) as caught:
        await store.apply([new_customer(1, event="1")])
    assert classify(caught.value) is FailureClass.CONTENTION
    assert await sql.fetchval("SELECT last_value FROM tries") == 5


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("53100", FailureClass.INFRASTRUCTURE),
        ("57014", FailureClass.TRANSIENT),
        ("23514", FailureClass.PERMANENT),
        ("P0001", FailureClass.BUG),
    ],
)
async def test_anything_else_is_tried_once_and_leaves_nothing(
    store: Store, sql: Any, code: str, expected: FailureClass
) -> None:
    await sql.execute(FAIL_SOMETIMES.format(times=ALWAYS, code=code))
    with pytest.raises(asyncpg.PostgresError) as caught:
        await store.apply([new_customer(1, event="1")])
    assert classify(caught.value) is expected
    assert await sql.fetchval("SELECT last_value FROM tries") == 1
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 0


async def test_a_deadlock_with_a_stranger_is_survived(
    store: Store, sql: Any, more_sql: Any, database_url: str
) -> None:
    name = database_url.rpartition("/")[2]
    await sql.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '300ms'")
    await sql.execute("SET deadlock_timeout = '10s'")  # so that we find it, and are the one to step back
    await store.apply([new_customer(1, event="1"), subscription(1, event="s")])
    stranger = sql.transaction()
    await stranger.start()
    await sql.execute("SELECT FROM subscriptions FOR UPDATE")
    ours = asyncio.create_task(store.apply([subscription(1, event="s2", at=10, status="past_due")]))
    await _until_waiting(more_sql)
    await sql.execute("SELECT FROM users FOR UPDATE")
    await stranger.rollback()
    assert (await ours).outcomes == {"evt_s2": Applied(Reason.NEWER)}


async def test_a_row_that_stays_locked_is_contention_in_the_end(
    monkeypatch: pytest.MonkeyPatch, database_url: str, sql: Any
) -> None:
    monkeypatch.setitem(connecting.SESSION, "lock_timeout", "20ms")
    store = await Store.open(database_url, pool_size=1, application_name="test")
    await store.apply([new_customer(1, event="1")])
    async with sql.transaction():
        await sql.execute("SELECT FROM users FOR UPDATE")
        with pytest.raises(asyncpg.LockNotAvailableError) as caught:
            await store.apply([customer(1, event="2", at=10)])
    await store.close()
    assert classify(caught.value) is FailureClass.CONTENTION


async def test_a_backend_terminated_while_it_works_is_infrastructure(
    store: Store, sql: Any, more_sql: Any
) -> None:
    await store.apply([new_customer(1, event="1")])
    async with sql.transaction():
        await sql.execute("SELECT FROM users FOR UPDATE")
        ours = asyncio.create_task(store.apply([customer(1, event="2", at=10)]))
        await _until_waiting(more_sql)
        await _terminate(more_sql, "application_name = 'test'")
        blamed = await _blamed(ours)
    assert blamed is FailureClass.INFRASTRUCTURE
    result = await store.apply([customer(1, event="2", at=10)])
    assert result.outcomes == {"evt_2": Unchanged()}


async def test_a_backend_terminated_while_idle_costs_at_most_one_call(store: Store, sql: Any) -> None:
    await store.ping_write()
    await _terminate(sql, "application_name = 'test'")
    await asyncio.gather(store.ping_write(), return_exceptions=True)
    await store.ping_write()


async def test_a_process_frozen_inside_a_transaction_loses_it(
    monkeypatch: pytest.MonkeyPatch, database_url: str, sql: Any
) -> None:
    monkeypatch.setitem(connecting.SESSION, "idle_in_transaction_session_timeout", "20ms")
    store = await Store.open(database_url, pool_size=1, application_name="frozen")

    async def freeze(connection: asyncpg.Connection) -> None:
        await connection.execute("INSERT INTO users (email, stripe_customer_id) VALUES ('a@b.c', 'cus_1')")
        await _until(sql, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'frozen'")
        await connection.execute("INSERT INTO users (email, stripe_customer_id) VALUES ('d@e.f', 'cus_2')")

    blamed = await _blamed(store._database.transaction(freeze))
    await store.close()
    assert blamed is FailureClass.INFRASTRUCTURE
    assert await sql.fetchval("SELECT count(*) FROM users") == 0


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE users ADD COLUMN more TEXT",
        "ALTER TABLE users ALTER COLUMN name TYPE TEXT",
        "ALTER TABLE webhook_events ALTER COLUMN outcome TYPE TEXT",
        "CREATE INDEX more ON users (name)",
    ],
)
async def test_a_migration_under_a_running_worker_is_survived(store: Store, sql: Any, change: str) -> None:
    await store.apply([new_customer(1, event="1")])
    await sql.execute(change)
    result = await store.apply([customer(1, event="2", at=10, name="B"), new_customer(2, event="3")])
    assert result.outcomes == {"evt_2": Applied(Reason.NEWER), "evt_3": Applied(Reason.FIRST)}


async def _blamed(call: Awaitable[object]) -> FailureClass | None:
    """Say whose fault a call's failure is; None when it succeeds."""
    try:
        await call
    except Exception as error:  # noqa: BLE001 - which error comes depends on when the connection breaks
        return classify(error)
    return None


async def _terminate(sql: Any, which: str) -> None:
    await sql.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND {which}"
    )


async def _until_waiting(sql: Any) -> None:
    await _until(
        sql,
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    )


async def _until(sql: Any, condition: str) -> None:
    async with asyncio.timeout(10):
        while not await sql.fetchval(condition):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)


def _crash(server: RunningServer[Postgres]) -> None:
    server.kill()
    server.start()


_FAULTS = {"restart": lambda server: server.restart(), "crash": _crash}
