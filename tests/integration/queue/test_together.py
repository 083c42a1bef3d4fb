"""Many at once: callers of group commit, and workers that race and die."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING

import pytest

from cogento.queue.claims import PutResult
from cogento.queue.durability import AckDurability
from cogento.queue.group_commit import GroupCommit
from cogento.queue.mailboxes import Mailboxes
from tests.support.mailbox_builders import all_done, envelope, is_idle

if TYPE_CHECKING:
    from cogento.queue.claims import Claim
    from tests.integration.queue.conftest import Connect
    from tests.support.looped import LoopedMailboxes


def test_f45_a_storm_of_one_event_from_fifty_callers_waits_once(
    mailboxes: LoopedMailboxes, redis_url: str
) -> None:
    async def storm() -> Counter[PutResult]:
        mailboxes = Mailboxes.connect(redis_url, ack=AckDurability.REDIS_FSYNC)
        together = GroupCommit(mailboxes)
        puts = [await asyncio.gather(*(together.put(envelope()) for _ in range(50))) for _ in range(40)]
        await mailboxes.close()
        return Counter(put.result for group in puts for put in group)

    assert asyncio.run(storm()) == {PutResult.QUEUED: 1, PutResult.DUPLICATE: 1_999}
    assert mailboxes.status().waiting == 1


def test_f12_of_many_workers_one_gets_the_customer(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope()])
    with ThreadPoolExecutor(8) as workers:
        idle = list(workers.map(lambda _: is_idle(mailboxes), range(100)))
    assert Counter(idle) == {False: 1, True: 99}


@pytest.mark.parametrize("shards", [1, 3])
def test_racing_workers_that_die_and_freeze_handle_every_event_in_order(
    shards: int, redis_url: str, connect: Connect
) -> None:
    race = Race(connect(redis_url, shards=shards, ack=AckDurability.REDIS), seed=shards)
    race.run()
    assert race.handled == race.sent
    assert race.mailboxes.status().waiting == 0


class Race:
    """Four workers take events while they arrive; now and then one dies with its claim or freezes beyond it."""

    def __init__(self, mailboxes: LoopedMailboxes, *, seed: int) -> None:
        self.mailboxes = mailboxes
        self.sent = {f"cus_{c}": [f"evt_{c}_{n:03}" for n in range(40)] for c in range(10)}
        self.handled: dict[str, list[str]] = {customer: [] for customer in self.sent}
        self._frozen: list[Claim] = []
        self._random = Random(seed)
        self._lock = threading.Lock()

    def run(self) -> None:
        with ThreadPoolExecutor(5) as pool:
            futures = [pool.submit(self._send), *(pool.submit(self._work) for _ in range(4))]
            assert [future.result(60) for future in futures] == [None] * 5

    def _send(self) -> None:
        for number in range(40):
            self.mailboxes.put(
                [envelope(ids[number], customer=customer) for customer, ids in self.sent.items()]
            )

    def _work(self) -> None:
        while not self._is_done():
            held = self.mailboxes.claim(max_customers=3, max_events=12, lease_seconds=0.2)
            if held is not None:
                self._take(held)

    def _take(self, held: Claim) -> None:
        fate = self._random.choice(["dies", "commits and dies", "freezes", *["settles"] * 12])
        if fate == "freezes":
            self._frozen.append(held)
        if fate in ("commits and dies", "settles"):
            self._commit(held)
        if fate == "settles":
            self.mailboxes.settle(held, all_done(held))
            self._thaw()

    def _thaw(self) -> None:
        """Continue a frozen worker with a claim that may be another's by now."""
        while self._frozen:
            late = self._frozen.pop()
            self._commit(late)
            self.mailboxes.settle(late, all_done(late))

    def _commit(self, held: Claim) -> None:
        """Stand in for Postgres: one transaction at a time, and a ledger that takes an id once."""
        with self._lock:
            for batch in held.batches:
                ledger = self.handled[batch.customer_id]
                ledger += [one.event_id for one in batch.events if one.event_id not in ledger]

    def _is_done(self) -> bool:
        return self.handled == self.sent and self.mailboxes.status().waiting == 0
