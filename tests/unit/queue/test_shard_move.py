"""The number of shards changes: a mailbox's content stays as it is, and no process has to be restarted."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from cogento.events.names import CustomerId, EventId
from cogento.queue import mailbox_copies, shard_move
from cogento.queue.claims import FailedAttempt, PutResult, Settlement
from cogento.queue.durable_scripts import DurableScripts
from cogento.queue.keys import shard_of
from cogento.queue.layout import Layout, ShardSet
from cogento.queue.redis_connection import RedisConnection
from cogento.queue.redis_server import RedisServer
from cogento.queue.status import MailboxState, Removed
from cogento.queue.worker_registry import Heartbeat
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import START_MS, all_done, claim, envelope, ids, is_idle, taken
from tests.support.mailbox_harm import inspect
from tests.support.mailbox_invariants import broken_invariants

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Argument, Call, Reply
    from tests.support.fake_redis import FakeRedis
    from tests.support.mailbox_builders import ManualClock

# Of six shards, the second customer stays in the first one.
CUS_A, CUS_B, CUS_C, CUS_D = map(CustomerId, ("cus_a", "cus_b", "cus_c", "cus_d"))
LAYOUT, MOVING = "{cogento:0}:layout", "{cogento:0}:moving"


@pytest.fixture(autouse=True)
def _without_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else needs Redis here."""
    monkeypatch.setattr(shard_move, "REST", 0)
    monkeypatch.setattr(shard_move, "LEAST_REST_SECONDS", 0)
    monkeypatch.setattr(shard_move, "PASS_SECONDS", 0)
    monkeypatch.setattr(shard_move, "RENEWAL_SECONDS", 0)


@pytest.fixture
def client(client: FakeRedis) -> Iterator[FakeRedis]:
    yield client
    tags = {str(key, "ascii").partition("}")[0] + "}" for key in client.scan_iter()}
    assert [name for tag in tags for name in broken_invariants(client, tag)] == []


def change(client: FakeRedis, clock: ManualClock, shards: int) -> LoopedMailboxes:
    """Have the only worker want `count` shards, and change to that number."""
    worker = LoopedMailboxes.on(client, clock=clock, shards=shards)
    worker.workers.beat(Heartbeat("host:1", "1", START_MS, None, shards), {})
    assert worker.shard_move().run()
    return worker


def layout(client: FakeRedis) -> Layout:
    found = Layout.parse(cast("bytes", client.get(LAYOUT)))
    assert found is not None
    return found


def before_scan(monkeypatch: pytest.MonkeyPatch, family: str, deed: Callable[[], Awaitable[None]]) -> None:
    """Do something before each request for some keys of a family."""
    ask = RedisServer.ask

    async def ask_after_it(self: RedisServer, *command: Argument) -> Reply:
        if command[0] == "SCAN" and f":{family}:" in str(command[3]):
            await deed()
        return await ask(self, *command)

    monkeypatch.setattr(RedisServer, "ask", ask_after_it)


def after_script(monkeypatch: pytest.MonkeyPatch, deed: Callable[[str], object]) -> None:
    """Do something after each script, which is named."""
    run = RedisConnection.run

    async def run_before_it(self: RedisConnection, *calls: Call) -> list[Reply]:
        replies = await run(self, *calls)
        deed(calls[0].script)
        return replies

    monkeypatch.setattr(RedisConnection, "run", run_before_it)


def test_what_waits_moves_as_it_is(mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock) -> None:
    mailboxes.put([envelope(f"evt_{number}", customer="cus_a", second=5 - number) for number in range(3)])
    mailboxes.put([envelope("evt_b1", customer="cus_b"), envelope("evt_b2", customer="cus_b", second=1)])
    claimed = claim(mailboxes)
    failed = FailedAttempt(EventId("evt_b1"), 2, START_MS, "ValueError", "23505")
    mailboxes.settle(
        claimed,
        [
            Settlement(CUS_A, parked=ids("evt_2")),
            Settlement(CUS_B, failed=(failed,), postponed_until_ms=START_MS + 60_000),
        ],
    )
    mailboxes.put([envelope("evt_c", customer="cus_c")])
    mailboxes.pause(CUS_C, who="ada", why="a look")
    mailboxes.pause(CUS_D)
    before = [mailboxes.view(customer) for customer in (CUS_A, CUS_B, CUS_C, CUS_D)]
    status = mailboxes.status()

    for shards in (6, 2, 1, 5):
        moved = change(client, clock, shards)
        assert (layout(client).current, layout(client).is_changing) == (ShardSet(shards), False)
        assert [moved.view(customer) for customer in (CUS_A, CUS_B, CUS_C, CUS_D)] == before
        assert moved.status() == status


def test_whoever_has_not_heard_of_it_puts_and_claims_where_they_are_now(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    change(client, clock, 6)
    again = [envelope("evt_1", customer="cus_a"), envelope("evt_2", customer="cus_a", second=1)]
    assert [put.result for put in mailboxes.put(again)] == [PutResult.DUPLICATE, PutResult.QUEUED]
    claimed = claim(mailboxes)
    assert taken(claimed) == {"cus_a": ["evt_1", "evt_2"]}
    assert not mailboxes.settle(claimed, all_done(claimed))
    assert is_idle(mailboxes)


def test_whom_a_worker_has_is_settled_where_it_was_claimed_and_then_moved(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a"), envelope("evt_2", customer="cus_a", second=1)])
    claimed = claim(mailboxes, max_events=1)
    worker = change(client, clock, 6)
    assert layout(client).is_changing
    assert worker.shard_move().count().is_changing
    assert worker.put([envelope("evt_3", customer="cus_a", second=2)])[0].result is PutResult.QUEUED
    assert not mailboxes.settle(claimed, all_done(claimed))
    assert worker.shard_move().run()
    assert not layout(client).is_changing
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_2", "evt_3"]}


def test_an_operator_reaches_a_customer_wherever_it_is(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a"), envelope("evt_2", customer="cus_c")])
    claimed = claim(mailboxes, max_customers=1)  # one customer stays in its former shard meanwhile
    change(client, clock, 6)
    assert layout(client).is_changing
    for customer, event in ((CUS_A, "evt_1"), (CUS_C, "evt_2")):
        assert mailboxes.pause(customer)
        assert not mailboxes.pause(customer)
        assert mailboxes.resume(customer)
        assert mailboxes.find(EventId(event)) is not None
    assert {mailboxes.remove(CUS_A, EventId("evt_1")), mailboxes.remove(CUS_C, EventId("evt_2"))} == {
        Removed.LEASED,
        Removed.REMOVED,
    }
    mailboxes.release(claimed)


def test_a_pause_of_everything_holds_new_shards_too(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    mailboxes.pause()
    worker = change(client, clock, 6)
    worker.put([envelope("evt_2", customer="cus_b")])
    assert is_idle(worker)
    mailboxes.resume()
    assert taken(claim(worker)) == {"cus_a": ["evt_1"], "cus_b": ["evt_2"]}


def test_a_pause_of_everything_that_begins_just_before_a_change_holds_new_shards_too(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    run, written = DurableScripts.run, list[Layout]()
    found: list[object] = []

    async def use_new_shards(
        self: DurableScripts, client_: RedisClient, calls: Sequence[Call]
    ) -> list[Reply]:
        if calls[0].script == "relayout" and not written:
            await mailboxes.looped.pause()
        replies = await run(self, client_, calls)
        written.append(layout(client))
        if calls[0].script == "relayout" and layout(client).is_changing:
            await mailboxes.looped.put([envelope("evt_2", customer="cus_c")])
            found.append(await mailboxes.looped.claim(max_customers=9, max_events=9, lease_seconds=10))
        return replies

    worker = LoopedMailboxes.on(client, clock=clock, shards=6)
    worker.workers.beat(Heartbeat("host:1", "1", START_MS, None, 6), {})
    monkeypatch.setattr(DurableScripts, "run", use_new_shards)
    worker.shard_move().run()
    worker.shard_move().run()
    assert layout(client).current == ShardSet(6)
    assert found == [None]


def test_a_pause_of_everything_that_is_ended_is_over_although_a_shard_that_was_still_has_it(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    change(client, clock, 3)
    mailboxes.pause(who="ada", why="a look")
    worker = change(client, clock, 1)
    assert worker.status().everything_paused
    worker.resume()
    assert client.keys("*:halted")
    assert not worker.status().everything_paused


def test_a_reason_that_names_a_person_is_erased_also_in_shards_that_were(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    change(client, clock, 3)
    mailboxes.pause(who="ada", why="because of Bob")
    worker = change(client, clock, 1)
    worker.forget(CUS_B, known=[], names=["bob"])
    assert not [value for key in client.keys("*:halted") if "Bob" in repr(value := client.get(key))]


def test_a_person_is_forgotten_also_where_redis_has_lost_that_the_events_moved(
    client: FakeRedis, clock: ManualClock
) -> None:
    gone = next(one for one in (CUS_A, CUS_B, CUS_C, CUS_D) if shard_of(one, shards=6) >= 2)
    LoopedMailboxes.on(client, clock=clock, shards=6).put([envelope("evt_1", customer=gone)])
    tag = layout(client).current.tag_of(gone)
    kept = {
        key: client.dump(key) or b"" for key in client.scan_iter(match=f"{tag}:*") if b"layout" not in key
    }
    worker = change(client, clock, 2)
    moved = claim(worker)
    worker.settle(moved, all_done(moved))
    for key, value in kept.items():
        client.delete(key)
        client.restore(key, 0, value)
    assert worker.forget(gone, known=[]) is not None
    assert not client.keys(f"{tag}:event:*")


def test_nothing_changes_while_a_worker_wishes_for_another_number_or_does_not_say(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope()])
    worker = LoopedMailboxes.on(client, clock=clock, shards=3)
    worker.workers.beat(Heartbeat("new:1", "1", START_MS, None, 3), {})
    worker.workers.beat(Heartbeat("old:1", "1", START_MS, None, 1), {})
    assert not worker.shard_move().run()
    worker.workers.unregister("old:1")
    client.hset("{cogento:0}:workers", "7", f"{START_MS} older:1 {START_MS} 0 0.1")
    assert not worker.shard_move().run()
    worker.workers.unregister("older:1")
    assert worker.shard_move().run()
    assert layout(client).current == ShardSet(3)


def test_one_moves_mailboxes_at_a_time(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope()])
    client.set(MOVING, "another")
    worker = LoopedMailboxes.on(client, clock=clock, shards=3)
    worker.workers.beat(Heartbeat("host:1", "1", START_MS, None, 3), {})
    assert not worker.shard_move().run()
    client.delete(MOVING)


def test_whoever_moves_a_mailbox_for_long_says_so_all_the_time(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (shard_move, mailbox_copies):
        monkeypatch.setattr(module, "BYTES_AT_ONCE", 300)
    mailboxes.put([envelope(f"evt_{number:02}", customer="cus_a") for number in range(12)])
    seen: list[tuple[str, bool]] = []

    def note(script: str) -> None:
        seen.append((script, client.pttl(MOVING) > 0))
        client.persist(MOVING)  # until it is renewed

    after_script(monkeypatch, note)
    change(client, clock, 6)
    first, last = seen.index(("leave", False)), seen.index(("arrived", False))
    others = [script for script, _ in seen[first : last + 1 : 2]]
    assert others == ["leave", "events", "events", "arrive", "arrive", "arrive", "left", "arrived"]
    assert seen[first - 1 : last : 2] == [("moving", True)] * len(others)


def test_whoever_was_overtaken_stops_and_leaves_the_others_word_alone(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    worker = LoopedMailboxes.on(client, clock=clock, shards=6)
    worker.workers.beat(Heartbeat("host:1", "1", START_MS, None, 6), {})
    scripts: list[str] = []

    def overtake(script: str) -> None:
        scripts.append(script)
        if script == "leave":
            client.set(MOVING, "another")

    with monkeypatch.context() as patch:
        after_script(patch, overtake)
        assert not worker.shard_move().run()
    assert "arrive" not in scripts
    assert client.get(MOVING) == b"another"
    client.delete(MOVING)
    assert worker.shard_move().run()
    assert taken(claim(worker)) == {"cus_a": ["evt_1"]}


def test_shards_of_release_0_1_are_gone_by_as_they_are_called(client: FakeRedis, clock: ManualClock) -> None:
    client.set("{cogento:2}:layout", "1 3n 3n -")  # such as it would have written them, by the numbers' names
    by_number = LoopedMailboxes.on(client, clock=clock, shards=3)
    by_number.put([envelope(f"evt_{number}", customer=f"cus_{number}") for number in range(9)])
    client.delete(*client.keys("*:layout"))

    upgraded = LoopedMailboxes.on(client, clock=clock, shards=3)
    assert upgraded.status().waiting == 9
    assert layout(client).current == ShardSet(3, is_numbered=True)
    change(client, clock, 2)
    assert len(taken(claim(upgraded))) == 9


def test_a_layout_that_was_lost_is_found_again(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope(f"evt_{name}", customer=name) for name in ("cus_a", "cus_b", "cus_c", "cus_d")])
    change(client, clock, 6)
    is_idle(mailboxes)
    client.delete(LAYOUT)
    assert LoopedMailboxes.on(client, clock=clock).status().waiting == 4
    assert layout(client).current == ShardSet(6)


def test_an_event_whose_mailbox_was_lost_moves_all_the_same(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    client.delete("{cogento:0}:mail:cus_a", "{cogento:0}:since", "{cogento:0}:ready")
    worker = change(client, clock, 6)
    assert taken(claim(worker)) == {"cus_a": ["evt_1"]}
    client.hset("{cogento:0}:stats", mapping={"waiting": 0, "bytes": 0})  # an inspection counts them anew


def test_gauges_of_a_shard_that_was_are_counted_again_too(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope(f"evt_{name}", customer=name) for name in ("cus_a", "cus_b", "cus_c", "cus_d")])
    change(client, clock, 6)
    worker = change(client, clock, 1)
    retired = layout(client).counted_tags[-1]
    assert retired not in layout(client).tags
    client.hincrby(f"{retired}:stats", "waiting", 45)
    inspect(worker.inspection(lease_seconds=30), client)
    assert worker.status().waiting == 4


def test_a_mailbox_of_many_events_moves_in_parts(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (shard_move, mailbox_copies):
        monkeypatch.setattr(module, "BYTES_AT_ONCE", 300)
    names = [f"evt_{number:02}" for number in range(12)]
    mailboxes.put([envelope(name, customer="cus_a") for name in names])
    worker = change(client, clock, 6)
    assert taken(claim(worker)) == {"cus_a": names}
    assert worker.view(CUS_A).state is MailboxState.LEASED


def test_whose_parked_events_return_while_others_are_looked_for_moves_too(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailboxes.put([envelope("evt_2", customer="cus_a"), envelope("evt_1", customer="cus_a")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_1", "evt_2"))])

    async def replay() -> None:
        await mailboxes.looped.replay(CUS_A)

    before_scan(monkeypatch, "held", replay)
    worker = change(client, clock, 6)
    assert not layout(client).is_changing
    assert taken(claim(worker)) == {"cus_a": ["evt_2", "evt_1"]}


def test_whose_pause_ends_while_others_are_looked_for_moves_too(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailboxes.pause(CUS_A)

    async def put_and_resume() -> None:
        await mailboxes.looped.put([envelope("evt_1", customer="cus_a")])
        await mailboxes.looped.resume(CUS_A)

    before_scan(monkeypatch, "held", put_and_resume)
    worker = change(client, clock, 6)
    assert not layout(client).is_changing
    assert taken(claim(worker)) == {"cus_a": ["evt_1"]}


def test_a_stored_event_leaves_its_customer_only_where_that_has_nothing_else(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailboxes.put([envelope("evt_2", customer="cus_a"), envelope("evt_1", customer="cus_a")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_1", "evt_2"))])

    async def replay_unseen() -> None:
        await mailboxes.looped.replay(CUS_A)
        client.delete("{cogento:0}:since")

    before_scan(monkeypatch, "held", replay_unseen)
    worker = change(client, clock, 6)
    assert taken(claim(worker)) == {"cus_a": ["evt_2", "evt_1"]}


def test_where_lists_are_too_long_to_be_read_scans_find_who_returned_meanwhile(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_move, "MOST_LISTED", 0)
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_1"))])

    async def replay_unseen() -> None:
        await mailboxes.looped.replay(CUS_A)

    before_scan(monkeypatch, "held", replay_unseen)
    worker = change(client, clock, 6)
    assert not layout(client).is_changing
    assert client.exists(f"{layout(client).current.tag_of(CUS_A)}:mail:cus_a")
    assert taken(claim(worker)) == {"cus_a": ["evt_1"]}


def test_a_change_ends_however_many_stay_in_the_first_shard(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_move, "MOST_LISTED", 3)
    mailboxes.put([envelope(f"evt_{n}", customer=f"cus_{n}") for n in range(40)])
    claimed = claim(mailboxes, max_customers=100)
    parked = [Settlement(one.customer_id, parked=ids(one.events[0].event_id)) for one in claimed.batches]
    mailboxes.settle(claimed, parked)
    change(client, clock, 6)
    assert client.zcard("{cogento:0}:parked") > 3
    assert not layout(client).is_changing


def test_a_change_ends_although_a_list_names_a_customer_without_a_mailbox(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    client.zadd("{cogento:0}:since", {"cus_c": START_MS})
    change(client, clock, 6)
    assert not layout(client).is_changing
    client.zrem("{cogento:0}:since", "cus_c")


def test_parked_events_that_return_while_their_copy_is_made_wait_where_it_is(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a"), envelope("evt_2", customer="cus_a")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_1", "evt_2"))])
    answers: list[bool] = []

    async def replay(self: DurableScripts, client: RedisClient, calls: Sequence[Call]) -> list[Reply]:
        replies = await run(self, client, calls)
        if calls[0].script == "arrive" and not answers:
            answers.append(await mailboxes.looped.replay(CUS_A))
        return replies

    run = DurableScripts.run
    with monkeypatch.context() as patch:
        patch.setattr(DurableScripts, "run", replay)
        worker = change(client, clock, 6)
    assert answers == [True]
    assert taken(claim(worker)) == {"cus_a": ["evt_1", "evt_2"]}
    assert worker.view(CUS_A).parked_total == 0


def test_shards_that_were_know_again_that_they_are_none_when_redis_lost_that(
    mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    late = change(client, clock, 6)
    worker = change(client, clock, 2)
    client.delete(*(f"{tag}:layout" for tag in ShardSet(6).tags[1:]))
    assert not worker.shard_move().run()
    assert late.put([envelope("evt_2", customer="cus_a")])[0].result is PutResult.QUEUED
    assert taken(claim(worker)) == {"cus_a": ["evt_1", "evt_2"]}


@pytest.mark.parametrize("lost", [["owners"], []])
def test_whoever_is_on_the_way_when_all_is_moved_arrives_all_the_same(
    lost: list[str], mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    client.zrem("{cogento:0}:ready", "cus_a")
    client.zadd("{cogento:0}:leases", {"cus_a": shard_move.NEVER_MS})
    client.hset("{cogento:0}:owners", "cus_a", "move/0")
    client.delete(*(f"{{cogento:0}}:{name}" for name in [*lost, "nothing"]))
    assert not mailboxes.shard_move().run()
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_1"]}
