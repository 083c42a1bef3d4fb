from __future__ import annotations

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

    def renew(self, _claim: Claim) -> bool:
        if self.is_away:
            raise MailboxUnavailable
        self.renewed_ms.append(self.ms)
        return self.is_ours

    def now_ms(self) -> int:
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
        lease.renew_if_due()

    assert mailboxes.renewed_ms == [CLAIMED_MS + 10_000, CLAIMED_MS + 20_000]


def test_a_lost_lease_ends_the_work(lease: Lease, mailboxes: Answering) -> None:
    mailboxes.is_ours = False
    mailboxes.ms += 10_000
    with pytest.raises(LeaseLostError):
        lease.renew_if_due()


def test_while_redis_is_away_the_work_goes_on_and_every_step_tries_again(
    lease: Lease, mailboxes: Answering
) -> None:
    mailboxes.is_away = True
    mailboxes.ms += 10_000
    lease.renew_if_due()

    mailboxes.is_away = False
    lease.renew_if_due()

    assert mailboxes.renewed_ms == [CLAIMED_MS + 10_000]


def test_a_worker_that_was_asked_to_stop_ends_its_work(mailboxes: Answering) -> None:
    with pytest.raises(StoppingError):
        Lease(CLAIM, cast("Mailboxes", mailboxes), is_stopping=lambda: True).renew_if_due()
