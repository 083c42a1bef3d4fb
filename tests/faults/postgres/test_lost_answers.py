"""Answers that are lost with their connection: the class of the error, and what the next call finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from cogento import runtime
from cogento.events.outcomes import Reason, decided
from cogento.retries import FailureClass
from cogento.store.errors import says_away
from cogento.store.store import Store
from tests.support.postgres_mail import put_names
from tests.support.postgres_watching import blamed
from tests.support.proxy import Proxy, Way
from tests.support.store_deliveries import new_customer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from cogento.local.postgres import Postgres
    from tests.support.checker import Checker
    from tests.support.post import Post
    from tests.support.servers import RunningServer


@pytest.fixture
def proxied_store(loop: asyncio.Runner, proxy: Proxy) -> Iterator[Store]:
    opened = loop.run(Store.open(proxy.url, pool_size=1, application_name="test through a proxy"))
    yield opened
    loop.run(opened.close())


@pytest.fixture
def proxied_worker_store(proxy: Proxy) -> Iterator[Store]:
    opened = runtime.run(Store.open(proxy.url, pool_size=1, application_name="test"))
    yield opened
    runtime.run(opened.close())


@pytest.mark.parametrize("fault", ["restart", "crash"])
async def test_f26_after_a_restart_one_call_fails_and_the_next_finds_the_server(
    store: Store, postgres_server: RunningServer[Postgres], fault: str
) -> None:
    await store.apply([new_customer(1, event="1")])
    _RESTARTS[fault](postgres_server)
    assert await blamed(store.apply([new_customer(2, event="2")])) is FailureClass.INFRASTRUCTURE
    result = await store.apply([new_customer(2, event="2")])
    assert result.results == {"evt_2": decided(Reason.FIRST)}


@pytest.mark.parametrize("fault", ["restart", "crash"])
async def test_f26_a_probe_finds_a_restarted_server_at_once(
    store: Store, postgres_server: RunningServer[Postgres], fault: str
) -> None:
    await store.apply([new_customer(1, event="1")])
    _RESTARTS[fault](postgres_server)
    await store.ping_write()


def _crash(server: RunningServer[Postgres]) -> None:
    server.kill()
    server.start()


_RESTARTS: dict[str, Callable[[RunningServer[Postgres]], None]] = {
    "restart": lambda server: server.restart(),
    "crash": _crash,
}


@pytest.mark.parametrize("way", list(Way))
async def test_f27_a_commit_whose_answer_is_lost_is_found_in_the_ledger(
    way: Way, proxied_store: Store, proxy: Proxy, sql: Any
) -> None:
    await proxied_store.ping_write()
    proxy.cut_on(b"COMMIT", way=way, delivered=way is Way.TO_SERVER)
    assert await blamed(proxied_store.apply([new_customer(1, event="1")])) is FailureClass.INFRASTRUCTURE
    result = await proxied_store.apply([new_customer(1, event="1")])
    assert result.results == {"evt_1": decided(Reason.DUPLICATE)}
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 1


async def test_f27_a_commit_that_never_arrived_is_done_by_the_next_try(
    proxied_store: Store, proxy: Proxy
) -> None:
    await proxied_store.ping_write()
    proxy.cut_on(b"COMMIT", delivered=False)
    assert await blamed(proxied_store.apply([new_customer(1, event="1")])) is FailureClass.INFRASTRUCTURE
    result = await proxied_store.apply([new_customer(1, event="1")])
    assert result.results == {"evt_1": decided(Reason.FIRST)}


def test_f27_a_worker_takes_a_batch_again_whose_commit_is_unknown(
    checker: Checker, post: Post, proxy: Proxy, proxied_worker_store: Store
) -> None:
    runtime.run(proxied_worker_store.ping_write())
    accepted = put_names(post, 0, 1)
    proxy.cut_on(b"COMMIT", delivered=True)

    post.drain(proxied_worker_store)

    assert (proxy.cuts_done, post.mailboxes.status().waiting) == (1, 0)
    assert checker.judge(accepted=accepted).problems == ()


async def test_f28_a_server_that_refuses_connections_is_infrastructure(
    proxied_store: Store, proxy: Proxy
) -> None:
    proxy.refuse()
    assert await blamed(proxied_store.ping_write()) is FailureClass.INFRASTRUCTURE


async def test_f29_a_read_only_server_is_found_by_the_probe_and_would_not_be_by_a_read(
    database_url: str, sql: Any
) -> None:
    name = database_url.rpartition("/")[2]
    await sql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    store = await Store.open(database_url, pool_size=1, application_name="test")
    assert await store.roles.granted() == []
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError) as caught:
        await store.ping_write()
    await store.close()
    assert says_away(caught.value)
