"""The mailboxes on a real cluster of three masters with a replica each: every shard is complete, also after it has moved."""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.asyncio.connection import AbstractConnection

from cogento import runtime
from cogento.queue.claims import PutResult
from cogento.queue.durability import AckDurability, DurabilityMechanism
from cogento.queue.errors import MailboxRefused, MailboxUnavailable
from cogento.queue.keys import shard_of, tags
from cogento.queue.mailboxes import Mailboxes
from cogento.queue.redis_server import RedisServer
from cogento.queue.shard_move import ShardCount
from cogento.queue.worker_registry import Heartbeat
from tests.support.cluster import ask, cluster, keep_slot, move_slot, role_of
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import all_done, claim, envelope, is_idle, taken
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.events.envelope import Envelope
    from tests.integration.queue.conftest import StartServer
    from tests.support.cluster import Node, RunningCluster

MASTERS, SHARDS, CUSTOMERS, EVENTS_EACH = 3, 12, 60, 3
TAGS = tags(SHARDS)
EVERYONE = {
    f"cus_{customer}": [f"evt_{customer}_{number}" for number in range(EVENTS_EACH)]
    for customer in range(CUSTOMERS)
}


@pytest.fixture(scope="module")
def whole_cluster(valkey_server: Node) -> Iterator[RunningCluster]:
    """Asks for the one server, which skips where there is no program for any."""
    assert valkey_server
    with cluster(masters=MASTERS, replicas_each=1) as started:
        yield started


@pytest.fixture
def running(whole_cluster: RunningCluster) -> Iterator[RunningCluster]:
    """The cluster, empty before the test and healthy after it."""
    whole_cluster.flush()
    yield whole_cluster
    whole_cluster.await_whole()


@pytest.fixture
def mailboxes(running: RunningCluster) -> Iterator[LoopedMailboxes]:
    connected = running.mailboxes(shards=SHARDS)
    yield connected
    connected.close()


def envelopes() -> list[Envelope]:
    return [
        envelope(f"evt_{customer}_{number}", customer=f"cus_{customer}", second=number)
        for number in range(EVENTS_EACH)
        for customer in range(CUSTOMERS)
    ]


def take_all(mailboxes: LoopedMailboxes) -> dict[str, list[str]]:
    """Claim and settle everything, and return what it was."""
    claimed = claim(mailboxes, max_customers=CUSTOMERS, max_events=2 * CUSTOMERS * EVENTS_EACH)
    assert not mailboxes.settle(claimed, all_done(claimed))
    return taken(claimed)


def waiting(mailboxes: LoopedMailboxes) -> int | None:
    """How many events wait; None while a master is away."""
    try:
        return mailboxes.status().waiting
    except MailboxUnavailable:
        return None


def in_shard(number: int) -> str:
    """A customer whose mailbox is in this shard."""
    return next(name for name in EVERYONE if shard_of(name, shards=SHARDS) == number)  # type: ignore[arg-type]


def test_events_of_all_shards_are_put_and_claimed_in_order_and_settled(mailboxes: LoopedMailboxes) -> None:
    puts = mailboxes.put(envelopes())
    assert {put.result for put in puts} == {PutResult.QUEUED}
    assert [put.needs_wakeup for put in puts].count(True) == 1
    assert take_all(mailboxes) == EVERYONE
    assert mailboxes.status().waiting == 0
    assert is_idle(mailboxes)


def test_whoever_comes_while_the_map_is_first_read_waits_for_it(running: RunningCluster) -> None:
    async def scenario() -> list[int]:
        mailboxes = Mailboxes.connect(running.url, shards=SHARDS, ack=AckDurability.REDIS_FSYNC)
        try:
            return [
                status.waiting for status in await asyncio.gather(*(mailboxes.status() for _ in range(5)))
            ]
        finally:
            await mailboxes.close()

    assert asyncio.run(scenario()) == [0] * 5


def test_a_connection_that_does_not_close_in_time_fails_no_call(
    running: RunningCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    disconnect = AbstractConnection.disconnect

    async def slow(self: AbstractConnection, *args: Any, **kwargs: Any) -> None:
        await disconnect(self, *args, **kwargs)
        if not kwargs.get("nowait"):
            raise redis.TimeoutError("Timed out closing connection after 0.2")

    monkeypatch.setattr(AbstractConnection, "disconnect", slow)
    mailboxes = running.mailboxes(shards=SHARDS)
    assert {put.result for put in mailboxes.put(envelopes())} == {PutResult.QUEUED}
    mailboxes.close()


def test_a_cluster_in_which_nobody_has_slots_yet_is_away_until_somebody_has(
    start_server: StartServer,
) -> None:
    node = start_server({"cluster-enabled": "yes"})
    mailboxes = LoopedMailboxes.connect(node.url.replace("redis://", "redis+cluster://"), ack=None)
    try:
        with pytest.raises(MailboxUnavailable, match="no server of the cluster has slots"):
            mailboxes.status()
        ask(node, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_until(lambda: waiting(mailboxes) == 0, what="the cluster")
    finally:
        mailboxes.close()


def test_an_event_that_comes_again_is_a_duplicate_wherever_its_shard_is(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put(envelopes())
    assert {put.result for put in mailboxes.put(envelopes())} == {PutResult.DUPLICATE}


def test_every_master_has_as_many_shards_and_none_is_divided(
    running: RunningCluster, mailboxes: LoopedMailboxes
) -> None:
    mailboxes.put(envelopes())
    kept = [running.shards_of(node, shards=SHARDS) for node in running.nodes if role_of(node) == "master"]
    assert list(map(len, kept)) == [SHARDS // MASTERS] * MASTERS
    assert sorted(chain.from_iterable(kept)) == sorted(TAGS)


def test_every_master_has_to_give_what_is_promised(
    running: RunningCluster, mailboxes: LoopedMailboxes
) -> None:
    weak = running.master_of(TAGS[-1])
    ask(weak, "CONFIG SET", "appendfsync", "no")
    try:
        with pytest.raises(
            MailboxRefused, match=f"{weak.description.port}: ACK_DURABILITY=redis_fsync needs"
        ):
            mailboxes.check()
    finally:
        ask(weak, "CONFIG SET", "appendfsync", "always")


def test_a_put_is_refused_by_the_master_that_does_not_give_the_level_and_no_other(
    running: RunningCluster,
) -> None:
    weak = running.master_of(TAGS[-1])
    ask(weak, "CONFIG SET", "appendfsync", "no")
    mailboxes = running.mailboxes(shards=SHARDS)
    try:
        with pytest.raises(MailboxUnavailable, match="ACK_DURABILITY=redis_fsync needs"):
            mailboxes.put([envelope("evt_1", customer=in_shard(SHARDS - 1))])
        assert mailboxes.put([envelope("evt_2", customer=in_shard(0))])[0].result is PutResult.QUEUED
    finally:
        ask(weak, "CONFIG SET", "appendfsync", "always")
        mailboxes.close()


def test_the_level_of_several_masters_is_what_the_weakest_gives(running: RunningCluster) -> None:
    weak = running.master_of(TAGS[-1])
    ask(weak, "CONFIG SET", "appendfsync", "everysec")
    mailboxes = running.mailboxes(shards=SHARDS, ack=None)
    try:
        assert mailboxes.check().ack is AckDurability.REDIS
    finally:
        ask(weak, "CONFIG SET", "appendfsync", "always")
        mailboxes.close()


def test_a_master_that_is_exchanged_is_asked_before_anything_is_acknowledged(
    running: RunningCluster, mailboxes: LoopedMailboxes
) -> None:
    mailboxes.put(envelopes())
    successor = running.replica_of(running.master_of(TAGS[4]))
    ask(successor, "CONFIG SET", "appendfsync", "no")
    running.hand_over(successor)
    try:
        with pytest.raises(MailboxUnavailable, match="ACK_DURABILITY=redis_fsync needs"):
            mailboxes.put([envelope("evt_later", customer=in_shard(4))])
    finally:
        ask(successor, "CONFIG SET", "appendfsync", "always")


def test_after_a_planned_failover_no_event_is_missing_and_work_goes_on(
    running: RunningCluster, mailboxes: LoopedMailboxes
) -> None:
    mailboxes.put(envelopes())
    running.hand_over(running.replica_of(running.master_of(TAGS[4])))
    late = f"evt_{in_shard(4)}_late"
    assert mailboxes.put([envelope(late, customer=in_shard(4), second=9)])[0].result is PutResult.QUEUED
    assert take_all(mailboxes) == EVERYONE | {in_shard(4): [*EVERYONE[in_shard(4)], late]}


def test_the_last_that_was_acknowledged_outlives_its_master_when_replicas_are_part_of_the_promise(
    running: RunningCluster,
) -> None:
    mailboxes = running.mailboxes(shards=SHARDS, ack=AckDurability.REDIS_REPLICATED)
    facts = mailboxes.check()
    mailboxes.put(envelopes())
    victim = running.master_of(TAGS[4])
    successor = running.replica_of(victim)
    victim.kill()
    try:
        wait_until(lambda: role_of(successor) == "master", what="the replica to take over")
        wait_until(lambda: waiting(mailboxes) == len(envelopes()), what="all shards to be there")
        assert facts.ack_means is DurabilityMechanism.WAIT
        assert take_all(mailboxes) == EVERYONE
    finally:
        victim.start()
        mailboxes.close()


def test_nothing_is_acknowledged_that_no_replica_has(running: RunningCluster) -> None:
    mailboxes = running.mailboxes(shards=SHARDS, ack=AckDurability.REDIS_REPLICATED)
    mailboxes.put(envelopes())
    replica = running.replica_of(running.master_of(TAGS[4]))
    replica.freeze()
    try:
        with pytest.raises(MailboxUnavailable, match="0 of 1 replicas had it"):
            mailboxes.put([envelope("evt_alone", customer=in_shard(4), second=9)])
    finally:
        replica.thaw()
        mailboxes.close()


def test_a_level_that_needs_replicas_is_not_given_without_them(running: RunningCluster) -> None:
    mailboxes = LoopedMailboxes.connect(
        running.url, shards=SHARDS, ack=AckDurability.REDIS_REPLICATED, replicas=2
    )
    with pytest.raises(MailboxUnavailable, match=r"needs 2 replicas .* and 1 of them follow"):
        mailboxes.check()
    mailboxes.close()


def lose_the_link(replica: Node, master: Node) -> None:
    """Have the replica get nothing more, as when the network between the two is cut."""
    replica.freeze()
    ask(master, "CLIENT", "KILL", "TYPE", "REPLICA")


def put_and_fail_over(running: RunningCluster, ack: AckDurability) -> tuple[list[str], int | None]:
    """Cut a master off from its replica, put one event, lose the master; return how the put ended and what waits then."""
    mailboxes = running.mailboxes(shards=SHARDS, ack=ack)
    mailboxes.put([envelope("evt_before", customer=in_shard(4), second=1)])
    victim = running.master_of(TAGS[4])
    successor = running.replica_of(victim)
    lose_the_link(successor, victim)
    try:
        result = [
            str(put.result) for put in mailboxes.put([envelope("evt_1", customer=in_shard(4), second=2)])
        ]
    except MailboxUnavailable:
        result = ["refused"]
    victim.kill()
    successor.thaw()
    wait_until(lambda: role_of(successor) == "master", what="the replica to take over")
    wait_until(lambda: waiting(mailboxes) is not None, what="all shards to be there")
    left = waiting(mailboxes)
    victim.start()
    mailboxes.close()
    return result, left


def test_what_no_replica_had_is_lost_with_its_master_when_replicas_are_no_part_of_the_promise(
    running: RunningCluster,
) -> None:
    assert put_and_fail_over(running, AckDurability.REDIS_FSYNC) == (["queued"], 1)


def test_what_no_replica_had_was_not_acknowledged_when_they_are(running: RunningCluster) -> None:
    assert put_and_fail_over(running, AckDurability.REDIS_REPLICATED) == (["refused"], 1)


def test_while_a_slot_moves_key_by_key_its_shard_is_away_and_the_others_are_not(
    running: RunningCluster, mailboxes: LoopedMailboxes
) -> None:
    mailboxes.put(envelopes())
    source, target = running.master_of(TAGS[4]), running.master_of(TAGS[8])
    move_slot(running, TAGS[4], target, stop_after=2)
    with pytest.raises(MailboxUnavailable, match="being moved"):
        mailboxes.put([envelope("evt_meanwhile", customer=in_shard(4), second=9)])
    assert mailboxes.put([envelope("evt_elsewhere", customer=in_shard(5), second=9)])[0].result is (
        PutResult.QUEUED
    )
    move_slot(running, TAGS[4], target)
    assert not running.shards_of(source, shards=SHARDS).count(TAGS[4])
    assert take_all(mailboxes) == EVERYONE | {in_shard(5): [*EVERYONE[in_shard(5)], "evt_elsewhere"]}
    move_slot(running, TAGS[4], source)


def test_a_claim_goes_without_the_shards_that_are_away(
    running: RunningCluster, mailboxes: LoopedMailboxes
) -> None:
    mailboxes.put(envelopes())
    source, target = running.master_of(TAGS[4]), running.master_of(TAGS[8])
    move_slot(running, TAGS[4], target, stop_after=0)
    claimed = taken(claim(mailboxes, max_customers=CUSTOMERS, max_events=CUSTOMERS * EVENTS_EACH))
    keep_slot(TAGS[4], source, target)
    assert in_shard(4) not in claimed
    assert in_shard(8) in claimed


def test_no_key_is_called_like_a_shard_for_then_a_script_would_see_half_of_it(
    running: RunningCluster, mailboxes: LoopedMailboxes
) -> None:
    mailboxes.put(envelopes())
    take_all(mailboxes)
    mailboxes.ping_write()
    assert [ask(running.master_of(tag), "EXISTS", tag) for tag in TAGS] == [0] * SHARDS


def test_a_single_server_of_a_cluster_is_not_taken_for_all_of_it(running: RunningCluster) -> None:
    mailboxes = LoopedMailboxes.connect(
        running.master_of(TAGS[0]).url, shards=SHARDS, ack=AckDurability.REDIS_FSYNC
    )
    with pytest.raises(MailboxRefused, match=r"write redis\+cluster://"):
        mailboxes.check_at_start()
    mailboxes.close()


def test_the_time_is_the_median_of_the_masters_clocks(
    mailboxes: LoopedMailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = mailboxes.now_ms()
    wrong, *_ = runtime.run(mailboxes.looped._server.servers())
    told = RedisServer.ask

    async def ask_wrongly(self: RedisServer, *command: str) -> object:
        answer = await told(self, *command)
        return (answer[0] + 3600, answer[1]) if self is wrong and command == ("TIME",) else answer

    monkeypatch.setattr(RedisServer, "ask", ask_wrongly)
    mailboxes.looped._clock._reading = None
    assert mailboxes.now_ms() - before < 60_000


def test_events_move_to_other_shards_and_back_from_master_to_master(
    running: RunningCluster, mailboxes: LoopedMailboxes
) -> None:
    mailboxes.put(envelopes())
    for shards in (5, 24):
        worker = running.mailboxes(shards=shards)
        worker.workers.beat(Heartbeat("host:1", "1", 1, None, shards), {})
        assert worker.shard_move().run()
        assert worker.shard_move().count() == ShardCount(shards, shards)
        worker.close()
    assert {put.result for put in mailboxes.put(envelopes())} == {PutResult.DUPLICATE}
    assert take_all(mailboxes) == EVERYONE
