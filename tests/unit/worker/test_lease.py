from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from cogento.events.names import LeaseToken
from cogento.queue.claims import Claim
from cogento.queue.errors import MailboxUnavailable
from worker.lease import Lease, LeaseLostError, StoppingError

if TYPE_CHECKING:
    from cogento.queue.mailboxes import Mailboxes

CLAIM = Claim(LeaseToken("token"), (), expires_ms=100_000, lease_ms=30_000)
CLAIMED_MS = CLAIM.claimed_ms


@dataclass
class Answering:
    """Mailboxes that answer a renewal as told."""

    ms: int = CLAIMED_MS
    is_ours: bool = True
    is_away: bool = False
    renewed_ms: list[int] = field(default_factory=list)

    async def renew(self, _claim: Claim) -> bool:
        if self.is_away:
            raise MailboxUnavailable
        self.renewed_ms.append(self.ms)
        return self.is_ours

    async def now_ms(self) -> int:
        return self.ms


@pytest.fixture
def mailboxes() -> Answering:
    return Answering()


@pytest.fixture
def lease(mailboxes: Answering) -> Lease:
    return Lease(CLAIM, cast("Mailboxes", mailboxes), is_stopping=lambda: False)


def test_a_lease_is_renewed_when_a_third_of_it_has_passed_and_then_again(
    lease: Lease, mailboxes: Answering
) -> None:
    for mailboxes.ms in range(CLAIMED_MS, CLAIMED_MS + 25_000, 1000):
        asyncio.run(lease.renew_if_due())

    assert mailboxes.renewed_ms == [CLAIMED_MS + 10_000, CLAIMED_MS + 20_000]


def test_a_lost_lease_ends_the_work(lease: Lease, mailboxes: Answering) -> None:
    mailboxes.is_ours = False
    mailboxes.ms += 10_000
    with pytest.raises(LeaseLostError):
        asyncio.run(lease.renew_if_due())


def test_while_redis_is_away_the_work_goes_on_and_every_step_tries_again(
    lease: Lease, mailboxes: Answering
) -> None:
    mailboxes.is_away = True
    mailboxes.ms += 10_000
    asyncio.run(lease.renew_if_due())

    mailboxes.is_away = False
    asyncio.run(lease.renew_if_due())

    assert mailboxes.renewed_ms == [CLAIMED_MS + 10_000]


def test_a_worker_that_was_asked_to_stop_ends_its_work(mailboxes: Answering) -> None:
    with pytest.raises(StoppingError):
        asyncio.run(Lease(CLAIM, cast("Mailboxes", mailboxes), is_stopping=lambda: True).renew_if_due())


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.lease.TICK_SECONDS", 0.001)


@pytest.mark.usefixtures("_quick")
def test_while_the_work_is_waited_for_the_lease_is_renewed(lease: Lease, mailboxes: Answering) -> None:
    async def work() -> str:
        mailboxes.ms += 10_000
        while not mailboxes.renewed_ms:  # noqa: ASYNC110 - what is waited for is a list
            await asyncio.sleep(0)
        return "done"

    assert asyncio.run(lease.hold(work())) == "done"
    assert mailboxes.renewed_ms == [CLAIMED_MS + 10_000]


@pytest.mark.usefixtures("_quick")
def test_when_the_lease_is_lost_the_work_is_ended(lease: Lease, mailboxes: Answering) -> None:
    ended = asyncio.Event()

    async def work() -> None:
        mailboxes.is_ours = False
        mailboxes.ms += 10_000
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def scenario() -> None:
        with pytest.raises(LeaseLostError):
            await lease.hold(work())
        await ended.wait()

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_what_the_work_raises_is_raised(lease: Lease) -> None:
    async def work() -> None:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        asyncio.run(lease.hold(work()))


@pytest.mark.usefixtures("_quick")
def test_a_step_that_blocks_the_process_renews_nothing(lease: Lease, mailboxes: Answering) -> None:
    async def work() -> None:
        for mailboxes.ms in range(CLAIMED_MS, CLAIMED_MS + 60_000, 1000):
            time.sleep(0.0001)  # noqa: ASYNC251 - that is the point

    asyncio.run(lease.hold(work()))

    assert mailboxes.renewed_ms == []
