"""Batches of several accounts in turn: whose comes next, which are passed over, and how long events of all accounts gather."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import pytest

from cogento.queue.errors import MailboxUnavailable
from cogento.queue.mailboxes import Mailboxes
from cogento.retries import INTERVALS, MAX_LINGER_MS, linger_ms
from tests.support.fake_redis import FakeRedis, client_on
from tests.support.mailbox_builders import all_done, envelope
from tests.support.receiver_fakes import SettableClock
from worker.account_loops import AWAKE_MS, SLOW_SECONDS, AccountLoops, RecentEvents
from worker.heartbeat import WorkerHeartbeat
from worker.loop import BatchLinger, Turn, Wakeups, WorkerLoop
from worker.outages import Backoff

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("a", "b", "c")


class StandInLoop(WorkerLoop):
    """Settles a batch of an account without writing it, and notes its turn; `takes` is how long that takes."""

    def __init__(self, mailboxes: Mailboxes, account: str, turns: list[str], clock: SettableClock) -> None:
        self.mailboxes = mailboxes
        self.backoff = Backoff(clock=clock, jitter=random.random)
        self.linger = BatchLinger(clock=clock)
        self.heartbeat = WorkerHeartbeat(
            mailboxes.workers,
            worker="w",
            version="1",
            shards=1,
            now_ms=mailboxes.now_ms,
            clock=time.monotonic,
        )
        self.account, self.turns, self.clock = account, turns, clock
        self.is_blocked = False
        self.has_to_settle = False
        self.takes = 0.0
        self.stopped = False

    @property
    def has_pending_acks(self) -> bool:
        return self.has_to_settle

    def ask_to_stop(self) -> None:
        self.stopped = True

    async def take_turn(self) -> Turn:
        self.turns.append(self.account)
        if self.is_blocked:
            return Turn.BLOCKED
        claim = await self.mailboxes.claim(max_customers=9, max_events=2, lease_seconds=30)
        if claim is None:
            return Turn.NOTHING
        self.clock.now += self.takes
        await self.mailboxes.settle(claim, all_done(claim))
        return Turn.PROCESSED


class Crew:
    """Loops of three accounts on one server."""

    def __init__(self) -> None:
        self.clock = SettableClock(1000.0)
        self.turns: list[str] = []
        first = Mailboxes(client_on(FakeRedis()), account=NAMES[0])
        self.mailboxes = {name: first if name == NAMES[0] else first.of_account(name) for name in NAMES}
        self.loops = {
            name: StandInLoop(mailboxes, name, self.turns, self.clock)
            for name, mailboxes in self.mailboxes.items()
        }
        self.all = AccountLoops(list(self.loops.values()), Wakeups(), clock=self.clock)

    async def put(self, account: str, events: int) -> None:
        for number in range(events):
            await self.mailboxes[account].put([envelope(f"evt_{number}", customer=f"cus_{number}")])


@pytest.fixture
def crew() -> Crew:
    return Crew()


def test_accounts_whose_events_wait_come_in_turn(crew: Crew) -> None:
    async def scenario() -> None:
        await crew.put("a", 6)
        await crew.put("c", 4)
        await crew.all.run()

    asyncio.run(scenario())
    batches = [name for name in crew.turns if name in {"a", "c"}]
    assert batches[:4] == ["a", "c", "a", "c"]
    assert "b" not in crew.turns


def test_each_account_is_claimed_until_its_claim_finds_nothing(crew: Crew) -> None:
    """Else the next put would count on a worker that is awake and is not."""

    async def scenario() -> None:
        await crew.put("b", 2)
        await crew.all.run()

    asyncio.run(scenario())
    assert crew.turns == ["b", "b"]


def test_account_that_postgres_takes_no_writes_of_is_left_alone_for_a_moment(crew: Crew) -> None:
    async def scenario() -> None:
        crew.loops["a"].is_blocked = True
        await crew.put("a", 2)
        await crew.put("b", 6)
        await crew.all.run()

    asyncio.run(scenario())
    assert crew.turns.count("a") == 1
    assert crew.turns.count("b") == 4


def test_account_with_a_batch_to_settle_gets_its_turn_now_and_then_until_that_is_done(crew: Crew) -> None:
    async def scenario() -> None:
        await crew.put("a", 1)
        crew.loops["a"].has_to_settle = True
        for _ in range(3):
            await crew.all.run()
            crew.clock.now += INTERVALS.poll_seconds
        crew.loops["a"].has_to_settle = False
        for _ in range(3):
            await crew.all.run()
            crew.clock.now += INTERVALS.poll_seconds

    asyncio.run(scenario())
    assert (
        crew.turns == ["a"] * 5
    )  # the first two as ever, then one at a time, the last of which finds it settled


def test_while_nobody_knows_whose_events_wait_each_account_is_tried_now_and_then(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a cluster of which one master is away, for example: the others' events are found, without asking for them all the time."""
    failures = iter([MailboxUnavailable("Redis: TimeoutError")] * 20)

    async def fail(_each: Sequence[Mailboxes]) -> list[bool]:
        raise next(failures)

    async def scenario() -> None:
        monkeypatch.setattr(crew.mailboxes["a"], "find_ready", fail)
        await crew.all.run()
        await crew.all.run()
        assert crew.turns == ["a", "b", "c"]
        crew.clock.now += INTERVALS.poll_seconds
        await crew.put("b", 1)
        await crew.all.run()

    asyncio.run(scenario())
    assert sorted(crew.turns[3:]) == ["a", "b", "b", "c"]


def test_where_no_events_wait_nobody_claims(crew: Crew) -> None:
    asyncio.run(crew.all.run())
    assert crew.turns == []


def test_slow_account_has_one_loop_at_a_time(crew: Crew) -> None:
    seen: list[str] = []

    async def scenario() -> None:
        slow = crew.loops["a"]
        slow.takes = SLOW_SECONDS + 1
        await crew.put("a", 2)
        await crew.all.run()  # from now on it is known to be slow
        crew.turns.clear()
        await crew.put("a", 2)
        is_in_turn, may_end = asyncio.Event(), asyncio.Event()

        async def take_turn() -> Turn:
            crew.turns.append("a")
            is_in_turn.set()
            await may_end.wait()
            return Turn.NOTHING

        slow.take_turn = take_turn  # type: ignore[method-assign]
        first = asyncio.create_task(crew.all.run())
        await is_in_turn.wait()
        await crew.put("b", 2)
        await crew.all.run()  # the second loop
        seen.extend(crew.turns)
        await crew.mailboxes["a"].pause(who="test")  # its events stay, and the first loop shall end
        may_end.set()
        await first

    asyncio.run(scenario())
    assert seen.count("a") == 1
    assert "b" in seen


def test_two_loops_that_look_at_once_take_a_slow_account_once(crew: Crew) -> None:
    most_at_once = 0

    async def scenario() -> None:
        slow = crew.loops["a"]
        slow.takes = SLOW_SECONDS + 1
        await crew.put("a", 2)
        await crew.all.run()  # from now on it is known to be slow
        await crew.put("a", 8)
        take_turn, under_way = slow.take_turn, 0

        async def counted() -> Turn:
            nonlocal under_way, most_at_once
            under_way += 1
            most_at_once = max(most_at_once, under_way)
            turn = await take_turn()
            under_way -= 1
            return turn

        slow.take_turn = counted  # type: ignore[method-assign]
        await asyncio.gather(crew.all.run(), crew.all.run())

    asyncio.run(scenario())
    assert most_at_once == 1


def test_stopping_asks_every_accounts_loop_to_stop(crew: Crew) -> None:
    async def scenario() -> None:
        await crew.put("a", 2)
        begun = asyncio.Event()

        async def take_turn() -> Turn:
            begun.set()
            while not crew.loops["a"].stopped:  # noqa: ASYNC110 - it is asked once
                await asyncio.sleep(0)
            return Turn.PROCESSED

        crew.loops["a"].take_turn = take_turn  # type: ignore[method-assign]
        running = asyncio.create_task(crew.all.run())
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(scenario())
    assert [loop.stopped for loop in crew.loops.values()] == [True, True, True]


def test_events_of_many_accounts_gather_as_long_as_those_of_one_would() -> None:
    clock = SettableClock(1000.0)
    recent = RecentEvents(clock)
    for account in NAMES:
        together = recent.note(account, 20)
    assert linger_ms(together) == linger_ms(60)
    clock.now += AWAKE_MS / 1000 + 0.001
    assert recent.note("a", 1) == 1
    assert linger_ms(recent.note("b", 1_000)) == MAX_LINGER_MS
