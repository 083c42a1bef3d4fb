"""Mailboxes of several accounts on one server: what one has, no other sees or touches, with the same ids in both."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from cogento.events.names import CustomerId, EventId
from cogento.queue.circuit import Dependency
from cogento.queue.claims import Limits, PutResult
from cogento.queue.durability import AckDurability
from cogento.queue.group_commit import GroupCommit
from cogento.queue.mailboxes import Mailboxes
from tests.support.mailbox_builders import all_done, envelope

if TYPE_CHECKING:
    from tests.support.looped import LoopedMailboxes

CUSTOMER, EVENT = CustomerId("cus_a"), EventId("evt_1")


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
    assert mailboxes.halted() is None
    assert mailboxes.claim(max_customers=9, max_events=9, lease_seconds=30) is not None
    assert eu.claim(max_customers=9, max_events=9, lease_seconds=30) is None


def test_forgetting_and_removing_leave_the_other_account_alone(
    mailboxes: LoopedMailboxes, eu: LoopedMailboxes
) -> None:
    mailboxes.put([envelope()])
    eu.put([envelope()])
    assert eu.forget(CUSTOMER) == 1
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
