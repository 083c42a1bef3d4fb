"""Several puts at a time have a connection each, and what is learnt over one connection is not assumed for another."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest
import redis
from redis.asyncio import Redis

from cogento.queue.claims import PutResult
from cogento.queue.durability import AckDurability
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.mailboxes import Mailboxes
from tests.support import servers
from tests.support.mailbox_builders import envelope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.queue.claims import Put
    from tests.integration.queue.conftest import OwnServer


def test_puts_at_a_time_have_a_connection_each_and_keep_them(own_server: OwnServer) -> None:
    async def scenario() -> None:
        mailboxes = Mailboxes.connect(own_server.url, ack=AckDurability.REDIS_FSYNC)
        for number in range(5):
            await asyncio.gather(*(mailboxes.put([envelope(f"evt_{number}_{one}")]) for one in range(2)))
        await mailboxes.close()

    with redis.Redis.from_url(own_server.url) as admin:
        before = admin.info("stats")["total_connections_received"]
        asyncio.run(scenario())
        assert admin.info("stats")["total_connections_received"] == before + 2


@pytest.fixture
def without_a_file() -> Iterator[OwnServer]:
    """Start another server, which keeps nothing."""
    home = servers.make_home()
    server = servers.start_valkey(home, settings={**servers.QUICK_VALKEY, "appendonly": "no"})
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


def test_each_put_is_confirmed_by_the_server_that_it_reached(
    own_server: OwnServer, without_a_file: OwnServer
) -> None:
    """After a failover one connection may still lead to the old server while the next leads to a new one."""

    async def scenario() -> tuple[list[Put] | BaseException, list[Put] | BaseException]:
        mailboxes = Mailboxes.connect(own_server.url, ack=AckDurability.REDIS_FSYNC)
        await mailboxes.put([envelope("evt_1")])
        mailboxes._server._redis = Redis.from_url(without_a_file.url, protocol=2)  # type: ignore[attr-defined]
        there, elsewhere = await asyncio.gather(
            mailboxes.put([envelope("evt_2")]), mailboxes.put([envelope("evt_3")]), return_exceptions=True
        )
        await mailboxes.close()
        return there, elsewhere

    there, elsewhere = asyncio.run(scenario())
    assert isinstance(there, list)
    assert there[0].result is PutResult.QUEUED
    assert isinstance(elsewhere, MailboxUnavailable)
    assert "keeps none" in str(elsewhere)
