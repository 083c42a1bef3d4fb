"""A command that fails half way leaves what it has done: F64. Every write of every command fails here in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.events.names import CustomerId
from cogento.queue.claims import PutResult, Settlement
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.status import MailboxState
from tests.support.mailbox_builders import all_done, claim, envelope, ids
from tests.support.mailbox_harm import failing_half_way, inspect
from tests.support.mailbox_invariants import broken_invariants

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fake_redis import FakeRedis
    from tests.support.looped import LoopedMailboxes
    from tests.support.mailbox_builders import ManualClock

CUS_A, CUS_B = CustomerId("cus_a"), CustomerId("cus_b")
LEASE_SECONDS = 10


def put_more(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_a2", customer=CUS_A), envelope("evt_c0", customer="cus_c")])


def claim_all(mailboxes: LoopedMailboxes) -> None:
    mailboxes.claim(max_customers=9, max_events=9, lease_seconds=LEASE_SECONDS)


def park_one(mailboxes: LoopedMailboxes) -> None:
    mailboxes.settle(claim(mailboxes, max_customers=1), [Settlement(CUS_A, parked=ids("evt_a0"))])


def postpone(mailboxes: LoopedMailboxes) -> None:
    claimed = claim(mailboxes, max_customers=1)
    mailboxes.settle(claimed, [Settlement(CUS_A, postponed_until_ms=mailboxes.now_ms() + 5_000)])


def release(mailboxes: LoopedMailboxes) -> None:
    mailboxes.release(claim(mailboxes))


def pause(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(CUS_A)


def pause_and_resume(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(CUS_A)
    mailboxes.resume(CUS_A)


def park_and_replay(mailboxes: LoopedMailboxes) -> None:
    park_one(mailboxes)
    mailboxes.replay(CUS_A)


STEPS = {
    "put": put_more,
    "claim": claim_all,
    "settle": park_one,
    "release": release,
    "pause": pause,
    "resume": pause_and_resume,
    "replay": park_and_replay,
}
WRITES = {"put": 6, "claim": 4, "settle": 9, "release": 8, "pause": 5, "resume": 4, "replay": 6}
"""How often each of these writes, so that it can fail before each."""
WRITES_OF_A_TURN = 11
WRITES_ON_THE_WAY_BACK = {"recover": 6, "wake": 3}


def before_each(writes: dict[str, int]) -> list[tuple[str, int]]:
    """Every script with every number of writes after which it can fail."""
    return [(script, written) for script, count in writes.items() for written in range(count)]


@pytest.fixture
def inspected(mailboxes: LoopedMailboxes, client: FakeRedis, clock: ManualClock) -> Callable[[], list[str]]:
    """Let whatever lease there is end, inspect, and name the broken invariants."""

    def inspected() -> list[str]:
        inspection = mailboxes.inspection(lease_seconds=LEASE_SECONDS)
        clock.ms += 1
        inspect(inspection, client)
        clock.ms += LEASE_SECONDS * 1000
        claim_all(mailboxes)
        inspect(inspection, client)
        return broken_invariants(client)

    return inspected


@pytest.fixture
def filled(mailboxes: LoopedMailboxes) -> LoopedMailboxes:
    mailboxes.put([envelope(f"evt_{name}{n}", customer=f"cus_{name}") for name in "ab" for n in range(2)])
    return mailboxes


def here(mailboxes: LoopedMailboxes) -> set[str]:
    views = [mailboxes.view(customer) for customer in (CUS_A, CUS_B)]
    return {one.event_id for view in views for one in (*view.waiting, *view.parked)}


@pytest.mark.parametrize(("script", "writes"), before_each(WRITES))
def test_f64_what_a_command_left_half_done_is_put_right(
    script: str, writes: int, filled: LoopedMailboxes, inspected: Callable[[], list[str]]
) -> None:
    with failing_half_way(script, writes=writes), pytest.raises(MailboxUnavailable):
        STEPS[script](filled)
    assert inspected() == []
    assert here(filled) >= {"evt_a0", "evt_a1", "evt_b0", "evt_b1"}


@pytest.mark.parametrize(("script", "writes"), WRITES.items())
def test_no_command_writes_more_often_than_it_is_tried(
    script: str, writes: int, filled: LoopedMailboxes
) -> None:
    with failing_half_way(script, writes=writes):
        STEPS[script](filled)


@pytest.mark.parametrize("writes", range(WRITES["put"]))
def test_a9_a_put_that_failed_half_way_is_made_good_by_the_repetition(
    writes: int, filled: LoopedMailboxes, inspected: Callable[[], list[str]]
) -> None:
    with failing_half_way("put", writes=writes), pytest.raises(MailboxUnavailable):
        put_more(filled)
    again = filled.put([envelope("evt_a2", customer=CUS_A), envelope("evt_c0", customer="cus_c")])
    assert {put.result for put in again} <= {PutResult.QUEUED, PutResult.DUPLICATE}
    assert [one.event_id for one in filled.view(CUS_A).waiting] == ["evt_a0", "evt_a1", "evt_a2"]
    assert filled.view(CustomerId("cus_c")).state is MailboxState.READY
    assert inspected() == []


@pytest.mark.parametrize("writes", range(WRITES_OF_A_TURN))
def test_f64_a_turn_that_was_settled_half_way_is_settled_again(
    writes: int, filled: LoopedMailboxes, inspected: Callable[[], list[str]]
) -> None:
    claimed = claim(filled)
    with failing_half_way("settle", writes=writes), pytest.raises(MailboxUnavailable):
        filled.settle(claimed, all_done(claimed))
    filled.settle(claimed, all_done(claimed))
    assert inspected() == []
    assert here(filled) <= {"evt_a0", "evt_a1", "evt_b0", "evt_b1"}


def test_no_turn_writes_more_often_than_it_is_tried(filled: LoopedMailboxes) -> None:
    claimed = claim(filled)
    with failing_half_way("settle", writes=WRITES_OF_A_TURN):
        filled.settle(claimed, all_done(claimed))


@pytest.fixture
def late(filled: LoopedMailboxes, clock: ManualClock) -> LoopedMailboxes:
    """One customer sleeps and another is leased, both for so long that the next claim takes them back in line."""
    postpone(filled)
    claim_all(filled)
    clock.ms += LEASE_SECONDS * 1000
    return filled


@pytest.mark.parametrize(("script", "writes"), before_each(WRITES_ON_THE_WAY_BACK))
def test_f64_who_was_half_way_back_in_line_gets_there(
    script: str, writes: int, late: LoopedMailboxes, inspected: Callable[[], list[str]]
) -> None:
    with failing_half_way(script, writes=writes), pytest.raises(MailboxUnavailable):
        claim_all(late)
    assert inspected() == []
    assert here(late) == {"evt_a0", "evt_a1", "evt_b0", "evt_b1"}


@pytest.mark.parametrize(("script", "writes"), WRITES_ON_THE_WAY_BACK.items())
def test_nobody_is_written_of_more_often_on_the_way_back_than_it_is_tried(
    script: str, writes: int, late: LoopedMailboxes
) -> None:
    with failing_half_way(script, writes=writes):
        claim_all(late)
