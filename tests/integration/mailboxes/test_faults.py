"""What the mailboxes do when Redis is away, full, frozen, forgetful or somebody else."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import redis

from events.names import CustomerId
from mailboxes.durability import AckDurability
from mailboxes.errors import MailboxUnavailable
from mailboxes.mail import PutResult, Settlement
from tests.mailbox_builders import all_done, claim, envelope, is_idle, taken
from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailboxes.mailboxes import Mailboxes
    from tests.integration.mailboxes.conftest import Connect, OwnServer


@pytest.fixture
def fragile(own_server: OwnServer, connect: Connect) -> Mailboxes:
    """Mailboxes on a server that the test may hurt."""
    mailboxes = connect(own_server.url)
    mailboxes.check()
    return mailboxes


@pytest.fixture
def admin(own_server: OwnServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(own_server.url) as client:
        yield client


def is_putting(mailboxes: Mailboxes, id_: str) -> bool:
    try:
        return mailboxes.put([envelope(id_)])[0].result in (PutResult.QUEUED, PutResult.DUPLICATE)
    except MailboxUnavailable:
        return False


def failure(mailboxes: Mailboxes) -> str:
    with pytest.raises(MailboxUnavailable) as raised:
        mailboxes.put([envelope()])
    return str(raised.value)


def test_f21_a_frozen_server_is_unavailable_within_a_second(
    fragile: Mailboxes, own_server: OwnServer
) -> None:
    fragile.put([envelope("evt_1")])
    own_server.freeze()
    began = time.monotonic()
    with pytest.raises(MailboxUnavailable):
        fragile.put([envelope("evt_2")])
    assert time.monotonic() - began < 1
    own_server.thaw()
    wait_until(lambda: is_putting(fragile, "evt_2"), what="the thawed server to take mail")


def test_f21_a_frozen_server_is_tried_once_a_call_also_for_new_connections(
    own_server: OwnServer, connect: Connect
) -> None:
    own_server.freeze()
    began = time.monotonic()
    with pytest.raises(MailboxUnavailable):
        connect(own_server.url, ack=AckDurability.REDIS).put([envelope()])
    assert time.monotonic() - began < 1
    own_server.thaw()


def test_f13_a_restarted_server_is_found_again_with_its_mail(
    fragile: Mailboxes, own_server: OwnServer
) -> None:
    fragile.put([envelope("evt_1")])
    own_server.stop()
    with pytest.raises(MailboxUnavailable):
        fragile.put([envelope("evt_2")])
    own_server.start()
    wait_until(lambda: is_putting(fragile, "evt_2"), what="the restarted server to take mail")
    assert taken(claim(fragile)) == {"cus_a": ["evt_1", "evt_2"]}


def test_f14_nothing_acknowledged_is_lost_when_the_server_is_killed_under_load(
    fragile: Mailboxes, own_server: OwnServer
) -> None:
    with ThreadPoolExecutor(8) as callers:
        names = [f"evt_{number}" for number in range(4_000)]
        puts = callers.map(lambda name: (name, is_putting(fragile, name)), names)
        wait_until(lambda: fragile.status().waiting > 100, what="some mail")
        own_server.kill()
        acknowledged = {name for name, is_kept in puts if is_kept}
    own_server.start()
    wait_until(lambda: is_putting(fragile, "evt_last"), what="the restarted server to take mail")
    everything = claim(fragile, max_events=5_000, per_turn=5_000)
    assert 50 < len(acknowledged) < 4_000
    assert acknowledged <= set(taken(everything)["cus_a"])


def test_scripts_are_sent_again_to_a_server_that_forgot_them(mailboxes: Mailboxes, redis_url: str) -> None:
    mailboxes.put([envelope("evt_1")])
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    held = claim(mailboxes)
    assert mailboxes.settle(held, all_done(held)) == frozenset()


def test_f18_a_full_server_takes_no_more_and_is_drained_all_the_same(
    fragile: Mailboxes, admin: redis.Redis
) -> None:
    fragile.put([envelope(f"evt_{number}", customer=f"cus_{number % 7}") for number in range(50)])
    admin.config_set("maxmemory", 1)
    full = fragile.put([envelope("evt_new"), envelope("evt_1", customer="cus_1")])
    assert [put.result for put in full] == [PutResult.FULL, PutResult.DUPLICATE]
    held = claim(fragile)
    assert fragile.renew(held)
    fragile.release(held)
    held = claim(fragile)
    asleep, *others = [mail.customer_id for mail in held.mails]
    done = [one for one in all_done(held) if one.customer_id in others]
    until_ms = fragile.now_ms() + 60_000
    assert fragile.settle(held, [*done, Settlement(asleep, postponed_until_ms=until_ms)]) == frozenset()
    assert fragile.replay(asleep)
    assert fragile.pause(asleep)
    assert fragile.resume(asleep)
    assert list(taken(claim(fragile))) == [asleep]


def test_f18_a_full_server_recovers_leases_and_parks(fragile: Mailboxes, admin: redis.Redis) -> None:
    fragile.put([envelope("evt_1")])
    admin.config_set("maxmemory", 1)
    claim(fragile, lease_seconds=0)
    held = claim(fragile)
    assert held.mails[0].crashes == 1
    parked = tuple(waiting.event_id for waiting in held.mails[0].waiting)
    assert fragile.settle(held, [Settlement(CustomerId("cus_a"), parked=parked)]) == frozenset()
    assert fragile.status().parked == 1


def test_f18_it_takes_mail_again_once_there_is_room(fragile: Mailboxes, admin: redis.Redis) -> None:
    admin.config_set("maxmemory", 1)
    assert fragile.put([envelope()])[0].result is PutResult.FULL
    admin.config_set("maxmemory", 0)
    assert fragile.put([envelope()])[0].result is PutResult.QUEUED


def test_the_write_probe_sees_a_full_server_that_still_answers_pings(
    fragile: Mailboxes, admin: redis.Redis
) -> None:
    fragile.ping_write()
    admin.config_set("maxmemory", 1)
    assert admin.ping()
    with pytest.raises(MailboxUnavailable):
        fragile.ping_write()


def test_f23_a_demoted_server_is_unavailable_until_it_is_promoted(
    fragile: Mailboxes, admin: redis.Redis
) -> None:
    fragile.put([envelope("evt_1")])
    admin.replicaof("127.0.0.1", 9)
    with pytest.raises(MailboxUnavailable):
        fragile.put([envelope("evt_2")])
    admin.replicaof("NO", "ONE")
    wait_until(lambda: is_putting(fragile, "evt_2"), what="the promoted server to take mail")


def test_f24_at_the_servers_connection_limit_who_is_connected_goes_on(
    fragile: Mailboxes, own_server: OwnServer, admin: redis.Redis, connect: Connect
) -> None:
    fragile.put([envelope("evt_1")])
    admin.config_set("maxclients", 1)
    with pytest.raises(MailboxUnavailable):
        connect(own_server.url, ack=AckDurability.REDIS).put([envelope("evt_2")])
    assert fragile.put([envelope("evt_3")])[0].result is PutResult.QUEUED


def test_f17_a_flushed_server_is_an_empty_one(fragile: Mailboxes, admin: redis.Redis) -> None:
    fragile.put([envelope("evt_1")])
    held = claim(fragile)
    admin.flushall()
    assert fragile.settle(held, all_done(held)) == {"cus_a"}
    assert is_idle(fragile)
    assert fragile.put([envelope("evt_1")])[0].result is PutResult.QUEUED


def test_after_a_reconnection_durability_is_asked_for_anew(
    fragile: Mailboxes, own_server: OwnServer, admin: redis.Redis
) -> None:
    fragile.put([envelope("evt_1")])
    admin.config_set("appendonly", "no")
    admin.client_kill_filter(skipme=True, _type="normal")
    wait_until(lambda: "append-only" in failure(fragile), what="the next connection to be checked")
