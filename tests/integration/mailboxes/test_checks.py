"""What a server must give, and that too little is refused in words that say what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from mailboxes.durability import AckDurability, AckMeans
from mailboxes.errors import MailboxRefused, MailboxUnavailable
from mailboxes.mail import PutResult
from tests.mailbox_builders import envelope

if TYPE_CHECKING:
    from tests.integration.mailboxes.conftest import ConnectPutter, OwnServer, StartServer

FSYNC, REPLY = AckDurability.REDIS_FSYNC, AckDurability.REDIS


@pytest.fixture
def believed(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe a WAITAOF that answers too early, for the sake of what is done with the answer."""
    with redis.Redis.from_url(redis_url) as client:
        version = client.info("server")["redis_version"]
    if tuple(map(int, version.split(".")[:2])) < (7, 2):
        pytest.skip(f"{version} has no WAITAOF")
    monkeypatch.setattr("mailboxes.checks.has_true_waitaof", lambda _info: True)


def test_a_server_that_syncs_every_write_gives_the_fsync_level(
    own_server: OwnServer, connect_putter: ConnectPutter
) -> None:
    facts = connect_putter(own_server.url, ack=FSYNC).check()
    assert (facts.ack, facts.ack_means) == (FSYNC, AckMeans.FSYNC_ALWAYS)
    assert (facts.role, facts.maxmemory_policy, facts.appendfsync) == ("master", "noeviction", "always")
    assert facts.name in ("redis", "valkey")


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
@pytest.mark.parametrize("ack", AckDurability)
def test_a_server_that_may_throw_mail_away_is_refused(
    policy: str, ack: AckDurability, start_server: StartServer, connect_putter: ConnectPutter
) -> None:
    server = start_server({"maxmemory-policy": policy})
    with pytest.raises(MailboxRefused, match=rf"{policy}.*Set `maxmemory-policy noeviction`"):
        connect_putter(server.url, ack=ack).check()


def test_without_an_append_only_file_only_the_reply_level_is_given(
    start_server: StartServer, connect_putter: ConnectPutter
) -> None:
    server = start_server({"appendonly": "no"})
    assert connect_putter(server.url, ack=REPLY).check().ack_means is AckMeans.REPLY
    with pytest.raises(MailboxRefused, match="Set `appendonly yes`"):
        connect_putter(server.url, ack=FSYNC).check()


def test_a_file_that_is_never_synced_is_refused(
    start_server: StartServer, connect_putter: ConnectPutter
) -> None:
    server = start_server({"appendfsync": "no"})
    with pytest.raises(MailboxRefused, match="appendfsync no"):
        connect_putter(server.url, ack=FSYNC).check()


@pytest.mark.usefixtures("believed")
def test_a_file_synced_each_second_gives_the_fsync_level_by_waitaof(
    start_server: StartServer, connect_putter: ConnectPutter
) -> None:
    server = start_server({"appendfsync": "everysec"})
    mailboxes = connect_putter(server.url, ack=FSYNC)
    assert mailboxes.check().ack_means is AckMeans.WAITAOF
    assert mailboxes.put([envelope()])[0].result is PutResult.QUEUED


@pytest.mark.usefixtures("believed")
def test_every_put_waits_for_the_disk_where_waitaof_gives_the_level(
    start_server: StartServer, connect_putter: ConnectPutter
) -> None:
    server = start_server({"appendfsync": "everysec"})
    mailboxes = connect_putter(server.url, ack=FSYNC)
    mailboxes.put([envelope("evt_1")])
    with redis.Redis.from_url(server.url) as client:
        client.config_resetstat()
        mailboxes.put([envelope("evt_1")])  # a duplicate too: the first may not be on disk yet
        assert client.info("commandstats")["cmdstat_waitaof"]["calls"] == 1


@pytest.mark.usefixtures("believed")
def test_a_put_that_did_not_reach_the_disk_in_time_is_not_acknowledged(
    start_server: StartServer, connect_putter: ConnectPutter
) -> None:
    server = start_server({"appendfsync": "everysec"})
    mailboxes = connect_putter(server.url, ack=FSYNC)
    mailboxes.put([envelope("evt_1")])
    with redis.Redis.from_url(server.url) as client:
        client.config_set("appendfsync", "no")
    with pytest.raises(MailboxUnavailable, match="not in the append-only file"):
        mailboxes.put([envelope("evt_2")])


@pytest.mark.usefixtures("believed")
def test_a_rewrite_that_suspends_fsync_is_seen(
    start_server: StartServer, connect_putter: ConnectPutter
) -> None:
    server = start_server({"no-appendfsync-on-rewrite": "yes"})
    assert connect_putter(server.url, ack=FSYNC).check().ack_means is AckMeans.WAITAOF


@pytest.mark.usefixtures("believed")
def test_a_server_that_hides_its_configuration_is_believed_nothing(
    own_server: OwnServer, connect_putter: ConnectPutter
) -> None:
    with redis.Redis.from_url(own_server.url) as client:
        client.acl_setuser(
            "app", enabled=True, passwords=["+pw"], keys=["*"], categories=["+@all"], commands=["-config"]
        )
    url = own_server.url.replace("redis://", "redis://app:pw@")
    facts = connect_putter(url, ack=FSYNC).check()
    assert (facts.appendfsync, facts.ack_means) == (None, AckMeans.WAITAOF)


def test_a_server_that_is_away_is_unavailable_and_not_refused(connect_putter: ConnectPutter) -> None:
    with pytest.raises(MailboxUnavailable):
        connect_putter("redis://127.0.0.1:1/0", ack=FSYNC).check()
