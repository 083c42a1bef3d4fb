"""What single commands do when Redis is full, frozen, has lost data or is another server; tests/faults/redis has the rest."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

import pytest
import redis

from cogento.events.names import CustomerId
from cogento.queue.claims import PutResult, Settlement
from cogento.queue.durability import AckDurability
from cogento.queue.durable_scripts import TIMEOUT_SECONDS
from cogento.queue.errors import MailboxUnavailable
from tests.support.mailbox_builders import all_done, claim, envelope, taken
from tests.support.proxy import Proxy
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.queue.conftest import Connect, OwnServer
    from tests.support.looped import LoopedMailboxes


@pytest.fixture
def fragile(own_server: OwnServer, connect: Connect) -> LoopedMailboxes:
    """Mailboxes on a server that the test may hurt."""
    mailboxes = connect(own_server.url)
    mailboxes.check()
    return mailboxes


@pytest.fixture
def admin(own_server: OwnServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(own_server.url) as client:
        yield client


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Switch off the collection of cycles, once those of other tests are gone: a worker collects seldom."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def failure(mailboxes: LoopedMailboxes) -> str:
    with pytest.raises(MailboxUnavailable) as raised:
        mailboxes.put([envelope()])
    return str(raised.value)


def test_a_frozen_server_is_tried_once_a_call_also_for_new_connections(
    own_server: OwnServer, connect: Connect
) -> None:
    own_server.freeze()
    began = time.monotonic()
    with pytest.raises(MailboxUnavailable):
        connect(own_server.url, ack=AckDurability.REDIS).put([envelope()])
    assert time.monotonic() - began < 2 * TIMEOUT_SECONDS
    own_server.thaw()


def test_scripts_are_sent_again_to_a_server_that_forgot_them(
    mailboxes: LoopedMailboxes, redis_url: str
) -> None:
    mailboxes.put([envelope("evt_1")])
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    held = claim(mailboxes)
    assert mailboxes.settle(held, all_done(held)) == frozenset()


@pytest.mark.usefixtures("uncollected")
def test_a_reply_that_says_no_keeps_none_of_its_callers(mailboxes: LoopedMailboxes, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    mailboxes.put([envelope()])
    assert [one for one in gc.get_objects() if isinstance(one, redis.exceptions.NoScriptError)] == []


def test_a_full_server_takes_no_more_and_is_drained_all_the_same(
    fragile: LoopedMailboxes, admin: redis.Redis
) -> None:
    fragile.put([envelope(f"evt_{number}", customer=f"cus_{number % 7}") for number in range(50)])
    admin.config_set("maxmemory", 1)
    full = fragile.put([envelope("evt_new"), envelope("evt_1", customer="cus_1")])
    assert [put.result for put in full] == [PutResult.FULL, PutResult.DUPLICATE]
    held = claim(fragile)
    assert fragile.renew(held)
    fragile.release(held)
    held = claim(fragile)
    asleep, *others = [batch.customer_id for batch in held.batches]
    done = [one for one in all_done(held) if one.customer_id in others]
    until_ms = fragile.now_ms() + 60_000
    assert fragile.settle(held, [*done, Settlement(asleep, postponed_until_ms=until_ms)]) == frozenset()
    assert fragile.replay(asleep)
    assert fragile.pause(asleep)
    assert fragile.resume(asleep)
    assert list(taken(claim(fragile))) == [asleep]


def test_a_full_server_recovers_leases_and_parks(fragile: LoopedMailboxes, admin: redis.Redis) -> None:
    fragile.put([envelope("evt_1")])
    admin.config_set("maxmemory", 1)
    claim(fragile, lease_seconds=0)
    held = claim(fragile)
    assert held.batches[0].crashes == 1
    parked = tuple(waiting.event_id for waiting in held.batches[0].events)
    assert fragile.settle(held, [Settlement(CustomerId("cus_a"), parked=parked)]) == frozenset()
    assert fragile.status().parked == 1


def test_the_write_probe_sees_a_full_server_that_still_answers_pings(
    fragile: LoopedMailboxes, admin: redis.Redis
) -> None:
    fragile.ping_write()
    admin.config_set("maxmemory", 1)
    assert admin.ping()
    with pytest.raises(MailboxUnavailable):
        fragile.ping_write()


def test_after_a_reconnection_durability_is_asked_for_anew(
    own_server: OwnServer, connect: Connect, admin: redis.Redis
) -> None:
    putter = connect(own_server.url)
    putter.put([envelope("evt_1")])
    admin.config_set("appendonly", "no")
    admin.client_kill_filter(skipme=True, _type="normal")
    wait_until(lambda: "append-only" in failure(putter), what="the next connection to be checked")


def test_a_connection_that_was_closed_while_nobody_put_costs_no_put(
    own_server: OwnServer, connect: Connect, admin: redis.Redis
) -> None:
    putter = connect(own_server.url)
    putter.put([envelope("evt_1")])
    admin.client_kill_filter(skipme=True, _type="normal")
    assert putter.put([envelope("evt_2")])[0].result is PutResult.QUEUED


def test_a_connection_that_was_reset_while_nobody_put_costs_no_put(
    own_server: OwnServer, connect: Connect
) -> None:
    with Proxy(own_server.url) as proxy:
        putter = connect(proxy.url)
        putter.put([envelope("evt_1")])
        proxy.reset()
        proxy.heal()
        assert putter.put([envelope("evt_2")])[0].result is PutResult.QUEUED


def test_scripts_are_sent_again_with_what_they_were_to_do(
    own_server: OwnServer, connect: Connect, admin: redis.Redis
) -> None:
    putter = connect(own_server.url, shards=3)
    letters = [envelope(f"evt_{number}", customer=f"cus_{number}") for number in range(6)]
    putter.put(letters[:2])
    admin.script_flush()
    results = [put.result for put in putter.put(letters)]
    assert results == [PutResult.DUPLICATE] * 2 + [PutResult.QUEUED] * 4


def test_a_put_that_fails_is_no_end_of_putting(own_server: OwnServer, connect: Connect) -> None:
    putter = connect(own_server.url)
    putter.put([envelope("evt_1")])
    own_server.freeze()
    failure(putter)
    own_server.thaw()
    wait_until(lambda: is_put(putter), what="Redis to be back")


def is_put(putter: LoopedMailboxes) -> bool:
    try:
        return putter.put([envelope("evt_2")])[0].result in (PutResult.QUEUED, PutResult.DUPLICATE)
    except MailboxUnavailable:
        return False
