"""What a server must guarantee, and that too little is refused with a message that says what to do."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
import redis

from cogento import runtime
from cogento.events.outcomes import Source
from cogento.queue.claims import PutResult
from cogento.queue.durability import AckDurability, DurabilityMechanism
from cogento.queue.errors import MailboxRefused, MailboxUnavailable
from cogento.queue.redelivery import redeliver
from tests.support import servers
from tests.support.mailbox_builders import envelope
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cogento.events.names import EventId
    from tests.integration.queue.conftest import Connect, OwnServer, StartServer
    from tests.support.looped import LoopedMailboxes

FSYNC, REPLY = AckDurability.REDIS_FSYNC, AckDurability.REDIS
OF_ONE_SERVER = [level for level in AckDurability if level is not AckDurability.REDIS_REPLICATED]


@dataclass(frozen=True)
class _Letter:
    id: int
    event_id: EventId
    body: bytes


@dataclass
class _OneLetter:
    """One dead letter, and which were given back."""

    given_back: list[int] = field(default_factory=list)

    async def take(self, letter_ids: Collection[int]) -> Sequence[_Letter]:
        one = envelope()
        return [_Letter(id_, one.event_id, one.body) for id_ in letter_ids]

    async def give_back(self, letter_ids: Collection[int]) -> None:
        self.given_back += letter_ids


@pytest.fixture
def believed(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust a WAITAOF that answers too early, to test what is done with its answer."""
    with redis.Redis.from_url(redis_url) as client:
        version = client.info("server")["redis_version"]
    if tuple(map(int, version.split(".")[:2])) < (7, 2):
        pytest.skip(f"{version} has no WAITAOF")
    monkeypatch.setattr("cogento.queue.checks.has_true_waitaof", lambda _info: True)


def test_a_server_that_syncs_every_write_gives_the_fsync_level(
    own_server: OwnServer, connect: Connect
) -> None:
    facts = connect(own_server.url, ack=FSYNC).check()
    assert (facts.ack, facts.ack_means) == (FSYNC, DurabilityMechanism.FSYNC_ALWAYS)
    assert (facts.role, facts.maxmemory_policy, facts.appendfsync) == ("master", "noeviction", "always")
    assert facts.name in ("redis", "valkey")


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
@pytest.mark.parametrize("ack", OF_ONE_SERVER)
def test_a_server_that_may_evict_events_is_refused(
    policy: str, ack: AckDurability, start_server: StartServer, connect: Connect
) -> None:
    server = start_server({"maxmemory-policy": policy})
    with pytest.raises(MailboxRefused, match=rf"{policy}.*Set `maxmemory-policy noeviction`"):
        connect(server.url, ack=ack).check()


def test_t23_without_an_append_only_file_only_the_level_memory_is_given(
    start_server: StartServer, connect: Connect
) -> None:
    server = start_server({"appendonly": "no"})
    facts = connect(server.url, ack=None).check()
    assert (facts.ack, facts.ack_means) == (AckDurability.MEMORY, DurabilityMechanism.REPLY)
    assert connect(server.url, ack=AckDurability.MEMORY).check().ack is AckDurability.MEMORY
    with pytest.raises(MailboxRefused, match="Set `appendonly yes`"):
        connect(server.url, ack=REPLY).check()
    with pytest.raises(MailboxRefused, match="Set `appendonly yes`"):
        connect(server.url, ack=FSYNC).check()


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        ({"appendonly": "no", "save": "900 1"}, AckDurability.MEMORY),
        ({"appendfsync": "no"}, AckDurability.MEMORY),
        ({"appendfsync": "everysec"}, REPLY),
        ({"appendfsync": "always"}, FSYNC),
    ],
    ids=str,
)
def test_t23_without_a_demand_the_level_is_what_the_server_gives(
    settings: Mapping[str, str],
    level: AckDurability,
    start_server: StartServer,
    connect: Connect,
) -> None:
    assert connect(start_server(settings).url, ack=None).check().ack is level


LEVELS = pytest.mark.parametrize("ack", [None, *OF_ONE_SERVER])


@LEVELS
@pytest.mark.parametrize("source", Source)
def test_a1_a_server_that_was_told_to_evict_takes_no_event_by_any_route(
    ack: AckDurability | None, source: Source, own_server: OwnServer, connect: Connect
) -> None:
    mailboxes = connect(own_server.url, ack=ack)
    mailboxes.put([envelope("evt_1")], source=source)
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(MailboxUnavailable, match="allkeys-lru"):
            mailboxes.put([envelope("evt_2")], source=source)
        assert client.exists("{cogento:0}:event:evt_1", "{cogento:0}:event:evt_2") == 1
        client.config_set("maxmemory-policy", "noeviction")
    assert mailboxes.put([envelope("evt_2")], source=source)[0].result is PutResult.QUEUED


@LEVELS
def test_a1_a_server_that_evicts_when_it_comes_back_takes_nothing(
    ack: AckDurability | None, own_server: OwnServer, connect: Connect
) -> None:
    mailboxes = connect(own_server.url, ack=ack)
    mailboxes.put([envelope("evt_1")])
    own_server.kill()
    evicting = replace(
        own_server.description,
        settings={**servers.QUICK_VALKEY, "maxmemory-policy": "volatile-lru"},
    )
    back = servers.RunningServer(evicting)
    refused = [_refusal(mailboxes) for _ in range(3)]
    back.kill()
    own_server.start()
    assert all("volatile-lru" in why or "Connection" in why for why in refused)
    assert "volatile-lru" in refused[-1]


def _refusal(putter: LoopedMailboxes) -> str:
    with pytest.raises(MailboxUnavailable) as refused:
        putter.put([envelope("evt_2")])
    return str(refused.value)


def test_a1_letters_are_given_back_where_the_server_may_evict(
    own_server: OwnServer, connect: Connect
) -> None:
    mailboxes, letters = connect(own_server.url), _OneLetter()
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("maxmemory-policy", "allkeys-random")
    with pytest.raises(MailboxUnavailable, match="allkeys-random"):
        runtime.run(redeliver([7], letters, mailboxes.looped))
    assert letters.given_back == [7]


@pytest.mark.parametrize(
    ("ack", "setting"),
    [
        (REPLY, ("appendonly", "no")),
        (REPLY, ("appendfsync", "no")),
        (FSYNC, ("appendonly", "no")),
        (FSYNC, ("appendfsync", "everysec")),
    ],
)
def test_a1_a_level_that_does_not_hold_any_more_is_given_to_nobody_within_five_seconds(
    ack: AckDurability, setting: tuple[str, str], own_server: OwnServer, connect: Connect
) -> None:
    mailboxes, numbers = connect(own_server.url, ack=ack), itertools.count()
    mailboxes.put([envelope("evt_first")])
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set(*setting)
    wait_until(lambda: not _takes(mailboxes, f"evt_{next(numbers)}"), what="the refusal", seconds=5)
    with pytest.raises(MailboxUnavailable, match=f"ACK_DURABILITY={ack} needs"):
        mailboxes.put([envelope("evt_last")])


def _takes(putter: LoopedMailboxes, id_: str) -> bool:
    try:
        putter.put([envelope(id_)])
    except MailboxUnavailable:
        return False
    return True


def test_t23_a_level_that_changes_while_nothing_is_demanded_is_named_anew(
    own_server: OwnServer, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    mailboxes = connect(own_server.url, ack=None)
    assert mailboxes.check().ack is FSYNC
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("appendonly", "no")
    assert mailboxes.check().ack is AckDurability.MEMORY
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "ack_durability_changed" in line]
    assert "in memory only" in line


def test_a_file_that_is_never_synced_is_refused(start_server: StartServer, connect: Connect) -> None:
    server = start_server({"appendfsync": "no"})
    with pytest.raises(MailboxRefused, match="appendfsync no"):
        connect(server.url, ack=FSYNC).check()


@pytest.mark.usefixtures("believed")
def test_a_file_synced_each_second_gives_the_fsync_level_by_waitaof(
    start_server: StartServer, connect: Connect
) -> None:
    server = start_server({"appendfsync": "everysec"})
    mailboxes = connect(server.url, ack=FSYNC)
    assert mailboxes.check().ack_means is DurabilityMechanism.WAITAOF
    assert mailboxes.put([envelope()])[0].result is PutResult.QUEUED


@pytest.mark.usefixtures("believed")
def test_every_put_waits_for_the_disk_where_waitaof_gives_the_level(
    start_server: StartServer, connect: Connect
) -> None:
    server = start_server({"appendfsync": "everysec"})
    mailboxes = connect(server.url, ack=FSYNC)
    mailboxes.put([envelope("evt_1")])
    with redis.Redis.from_url(server.url) as client:
        client.config_resetstat()
        mailboxes.put([envelope("evt_1")])  # a duplicate too: the first may not be on disk yet
        assert client.info("commandstats")["cmdstat_waitaof"]["calls"] == 1


@pytest.mark.usefixtures("believed")
def test_a_put_that_did_not_reach_the_disk_in_time_is_not_acknowledged(
    start_server: StartServer, connect: Connect
) -> None:
    server = start_server({"appendfsync": "everysec"})
    mailboxes = connect(server.url, ack=FSYNC)
    mailboxes.put([envelope("evt_1")])
    with redis.Redis.from_url(server.url) as client:
        client.config_set("appendfsync", "no")
    with pytest.raises(MailboxUnavailable, match="not in the append-only file"):
        mailboxes.put([envelope("evt_2")])


@pytest.mark.usefixtures("believed")
def test_a_rewrite_that_suspends_fsync_is_seen(start_server: StartServer, connect: Connect) -> None:
    server = start_server({"no-appendfsync-on-rewrite": "yes"})
    assert connect(server.url, ack=FSYNC).check().ack_means is DurabilityMechanism.WAITAOF


@pytest.mark.usefixtures("believed")
def test_a_server_that_hides_its_configuration_is_believed_nothing(
    own_server: OwnServer, connect: Connect
) -> None:
    with redis.Redis.from_url(own_server.url) as client:
        client.acl_setuser(
            "app", enabled=True, passwords=["+pw"], keys=["*"], categories=["+@all"], commands=["-config"]
        )
    url = own_server.url.replace("redis://", "redis://app:pw@")
    facts = connect(url, ack=FSYNC).check()
    assert (facts.appendfsync, facts.ack_means) == (None, DurabilityMechanism.WAITAOF)


def test_a_server_that_is_away_is_unavailable_and_not_refused(connect: Connect) -> None:
    with pytest.raises(MailboxUnavailable):
        connect("redis://127.0.0.1:1/0", ack=FSYNC).check()
