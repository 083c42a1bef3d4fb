"""Mailboxes of several accounts on one server: what one has, no other sees or touches, with the same ids in both."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import redis

from cogento import runtime
from cogento.events.names import CustomerId, EventId
from cogento.queue.circuit import Dependency
from cogento.queue.claims import Limits, Put, PutResult
from cogento.queue.durability import AckDurability
from cogento.queue.group_commit import GroupCommit
from cogento.queue.mailboxes import Mailboxes, put_together
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import all_done, envelope
from tests.support.mailbox_harm import failing_half_way, overwrite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogento.queue.errors import MailboxUnavailable

END_OF_TIME_MS = 10**15
CUSTOMER, EVENT = CustomerId("cus_a"), EventId("evt_1")


class Shared:
    """Three accounts on one server whose puts share calls."""

    def __init__(self, url: str, client: redis.Redis) -> None:
        first = Mailboxes.connect(url, ack=AckDurability.REDIS_FSYNC)
        self.accounts = [first, first.of_account("eu"), first.of_account("us")]
        self._client = client

    def put_for_each(self, id_: str, *, customer: str = "cus_a") -> Sequence[Put | MailboxUnavailable]:
        return runtime.run(put_together([(one, envelope(id_, customer=customer)) for one in self.accounts]))

    def waiting(self) -> list[int]:
        return [runtime.run(one.status()).waiting for one in self.accounts]

    def need_no_wakeup(self) -> None:
        """Have no put ask for a wake-up, however long ago the last one was."""
        for bell in self._client.keys("*:bell"):
            self._client.hset(bell, "until", END_OF_TIME_MS)

    def scripts_run(self) -> int:
        return scripts_run(self._client)


def scripts_run(client: redis.Redis) -> int:
    commands = client.info("commandstats")
    return sum(commands.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))


def told(put: Put | MailboxUnavailable) -> str:
    return put.result if isinstance(put, Put) else str(put)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as connected:
        yield connected


@pytest.fixture
def shared(redis_url: str, client: redis.Redis) -> Iterator[Shared]:
    made = Shared(redis_url, client)
    yield made
    runtime.run(made.accounts[0].close())


@pytest.fixture
def eu(mailboxes: LoopedMailboxes) -> LoopedMailboxes:
    return mailboxes.of_account("eu")


def test_event_waits_in_its_own_accounts_mailbox_alone(
    mailboxes: LoopedMailboxes, eu: LoopedMailboxes
) -> None:
    eu.put([envelope()])
    assert (mailboxes.status().waiting, eu.status().waiting) == (0, 1)
    assert mailboxes.find(EVENT) is None
    assert mailboxes.claim(max_customers=9, max_events=9, lease_seconds=30) is None


def test_same_event_and_customer_in_two_accounts_are_two(
    mailboxes: LoopedMailboxes, eu: LoopedMailboxes
) -> None:
    results = [one.put([envelope()])[0].result for one in (mailboxes, eu)]
    assert results == [PutResult.QUEUED, PutResult.QUEUED]
    claim = eu.claim(max_customers=9, max_events=9, lease_seconds=30)
    assert claim is not None
    eu.settle(claim, all_done(claim))
    assert (mailboxes.status().waiting, eu.status().waiting) == (1, 0)


def test_lease_of_one_account_settles_nothing_of_another(
    mailboxes: LoopedMailboxes, eu: LoopedMailboxes
) -> None:
    eu.put([envelope()])
    mailboxes.put([envelope()])
    claim = eu.claim(max_customers=9, max_events=9, lease_seconds=30)
    assert claim is not None
    mailboxes.settle(claim, all_done(claim))
    assert mailboxes.status().waiting == 1


def test_pause_of_everything_is_the_accounts_own(mailboxes: LoopedMailboxes, eu: LoopedMailboxes) -> None:
    eu.pause(who="somebody", why="eu only")
    mailboxes.put([envelope()])
    eu.put([envelope()])
    assert mailboxes.pause_of_everything() is None
    assert mailboxes.claim(max_customers=9, max_events=9, lease_seconds=30) is not None
    assert eu.claim(max_customers=9, max_events=9, lease_seconds=30) is None


def test_forgetting_and_removing_leave_the_other_account_alone(
    mailboxes: LoopedMailboxes, eu: LoopedMailboxes
) -> None:
    mailboxes.put([envelope()])
    eu.put([envelope()])
    assert eu.forget(CUSTOMER, known=[EVENT]) == 1
    eu.remove(CUSTOMER, EVENT)
    assert mailboxes.find(EVENT) is not None


def test_circuit_of_one_account_stops_no_other(mailboxes: LoopedMailboxes, eu: LoopedMailboxes) -> None:
    circuit = eu.circuit(Dependency.POSTGRES)
    circuit.failed("42P01", begun_ms=circuit.now_ms(), errors_limit=1, probe_after_seconds=60)
    assert [one.why for one in eu.open_circuits()] == ["42P01"]
    assert mailboxes.open_circuits() == ()


def test_puts_of_many_accounts_share_a_call_and_each_gets_its_own_answer(redis_url: str) -> None:
    async def put_all() -> tuple[list[PutResult], list[int]]:
        first = Mailboxes.connect(redis_url, ack=AckDurability.REDIS_FSYNC)
        accounts = [first, *(first.of_account(f"a{number}") for number in range(4))]
        together = [GroupCommit(first)]
        together += [together[0].beside(one) for one in accounts[1:]]
        await together[2].put(envelope())
        puts = await asyncio.gather(*(one.put(envelope()) for one in together for _ in range(2)))
        waiting = [(await one.status()).waiting for one in accounts]
        await first.close()
        return [put.result for put in puts], waiting

    results, waiting = asyncio.run(put_all())
    assert Counter(results) == {PutResult.QUEUED: 4, PutResult.DUPLICATE: 6}
    assert results[4:6] == [PutResult.DUPLICATE, PutResult.DUPLICATE]
    assert waiting == [1, 1, 1, 1, 1]


def test_put_of_many_accounts_is_one_script_for_the_server(shared: Shared) -> None:
    shared.put_for_each("evt_1")
    before = shared.scripts_run()
    shared.put_for_each("evt_2")
    assert shared.scripts_run() - before == 1
    assert shared.waiting() == [2, 2, 2]


def test_shards_of_one_server_are_one_script_too(redis_url: str, client: redis.Redis) -> None:
    mailboxes = LoopedMailboxes.connect(redis_url, shards=12, ack=AckDurability.REDIS)
    mailboxes.put([envelope()])
    before = scripts_run(client)
    mailboxes.put([envelope(f"evt_{number}", customer=f"cus_{number}") for number in range(40)])
    assert scripts_run(client) - before == 1
    assert mailboxes.status().waiting == 41
    mailboxes.close()


def test_account_that_is_full_refuses_its_own_events_of_a_put_and_no_others(shared: Shared) -> None:
    shared.accounts[1].enqueue.limits = Limits(total_events=1)
    shared.put_for_each("evt_1")
    assert [told(put) for put in shared.put_for_each("evt_2")] == ["queued", "full", "queued"]


def test_account_with_junk_under_its_names_is_mended_and_all_events_of_the_put_are_kept(
    shared: Shared, client: redis.Redis
) -> None:
    shared.put_for_each("evt_1")
    overwrite(client, "{cogento:eu:0}:since")
    assert {told(put) for put in shared.put_for_each("evt_2")} <= {"queued", "duplicate"}
    assert shared.waiting() == [2, 2, 2]
    assert client.keys("*:aside:*") == [b"{cogento:eu:0}:aside:since"]


def test_account_whose_layout_cannot_be_read_is_refused_alone(shared: Shared, client: redis.Redis) -> None:
    shared.put_for_each("evt_1")
    client.set("{cogento:eu:0}:layout", "99 nonsense")
    assert [told(put) for put in shared.put_for_each("evt_2")] == [
        "queued",
        "Redis: {cogento:eu:0}:layout holds b'99 nonsense', which is no layout",
        "queued",
    ]


@pytest.mark.parametrize(("writes", "expected"), [(5, ["queued", "", ""]), (10, ["queued", "queued", ""])])
def test_account_on_which_a_put_fails_half_way_is_refused_and_those_before_it_are_kept(
    shared: Shared, writes: int, expected: list[str]
) -> None:
    shared.put_for_each("evt_1")
    shared.need_no_wakeup()  # to ask for one is another write
    with failing_half_way("put", writes=writes):
        puts = shared.put_for_each("evt_2", customer="cus_b")
    assert [told(put).partition("Redis")[0] for put in puts] == expected
    assert {told(put) for put in shared.put_for_each("evt_2", customer="cus_b")} <= {"queued", "duplicate"}
    assert shared.waiting() == [2, 2, 2]


def test_put_of_several_accounts_asks_for_one_wake_up(shared: Shared) -> None:
    puts = shared.put_for_each("evt_1")
    assert [isinstance(put, Put) and put.needs_wakeup for put in puts] == [True, False, False]


def test_account_that_is_full_refuses_its_own_events_and_no_other(redis_url: str) -> None:
    async def put_both() -> list[PutResult]:
        first = Mailboxes.connect(redis_url, ack=AckDurability.REDIS, limits=Limits(total_events=1))
        eu = first.of_account("eu")
        puts = [
            (await one.put([envelope(id_)]))[0].result
            for one, id_ in ((first, "evt_1"), (first, "evt_2"), (eu, "evt_1"))
        ]
        await first.close()
        return puts

    assert asyncio.run(put_both()) == [PutResult.QUEUED, PutResult.FULL, PutResult.QUEUED]
