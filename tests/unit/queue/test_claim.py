"""Who gets which events, and that one worker at a time has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.events.names import CustomerId
from cogento.queue import codec
from cogento.queue import leases as module
from cogento.queue.claims import Settlement
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.status import MailboxState
from tests.support.mailbox_builders import all_done, claim, envelope, ids, is_idle, taken
from tests.support.mailbox_harm import failing_half_way

if TYPE_CHECKING:
    import fakeredis

    from tests.support.looped import LoopedMailboxes
    from tests.support.mailbox_builders import ManualClock

CUS_A = CustomerId("cus_a")
NEWER = bytes((max(codec.READABLE) + 1,))


def fill(mailboxes: LoopedMailboxes, customer: str, events: int) -> None:
    mailboxes.put([envelope(f"evt_{customer[-1]}{number}", customer=customer) for number in range(events)])


def test_nothing_waits_at_first(mailboxes: LoopedMailboxes) -> None:
    assert is_idle(mailboxes)


def test_a_claimed_customer_is_nobody_elses(mailboxes: LoopedMailboxes) -> None:
    fill(mailboxes, "cus_a", 1)
    claim(mailboxes)
    fill(mailboxes, "cus_a", 3)
    assert is_idle(mailboxes)


def test_who_waits_longest_is_served_first(mailboxes: LoopedMailboxes, clock: ManualClock) -> None:
    fill(mailboxes, "cus_b", 1)
    clock.ms += 1
    fill(mailboxes, "cus_a", 1)
    assert list(taken(claim(mailboxes, max_customers=1))) == ["cus_b"]


def test_a_claim_holds_no_more_than_was_asked(mailboxes: LoopedMailboxes) -> None:
    fill(mailboxes, "cus_a", 3)
    fill(mailboxes, "cus_b", 3)
    assert taken(claim(mailboxes, max_events=4)) == {
        "cus_a": ["evt_a0", "evt_a1", "evt_a2"],
        "cus_b": ["evt_b0"],
    }


def test_a_claim_of_large_events_ends_before_it_fills_the_workers_memory(
    mailboxes: LoopedMailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(mailboxes, "cus_a", 3)
    fill(mailboxes, "cus_b", 1)
    monkeypatch.setattr(module, "CLAIMED_BYTES", 100)
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_a0", "evt_a1"]}


def test_a_hot_customer_goes_to_the_back_of_the_line_after_its_share(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    fill(mailboxes, "cus_a", 120)
    clock.ms += 1
    fill(mailboxes, "cus_b", 1)
    first = claim(mailboxes, max_customers=1)
    clock.ms += 1
    mailboxes.settle(first, all_done(first))
    second = claim(mailboxes, max_customers=1)
    assert len(first.batches[0].events) == 50
    assert list(taken(second)) == ["cus_b"]


def test_an_expired_lease_makes_the_customer_ready_again_and_counts_a_crash(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    fill(mailboxes, "cus_a", 1)
    claim(mailboxes, lease_seconds=10)
    clock.ms += 9_999
    assert is_idle(mailboxes)
    clock.ms += 1
    assert claim(mailboxes).batches[0].crashes == 1


def test_a_renewed_lease_lasts_from_then_on(mailboxes: LoopedMailboxes, clock: ManualClock) -> None:
    fill(mailboxes, "cus_a", 1)
    held = claim(mailboxes, lease_seconds=10)
    clock.ms += 9_000
    assert mailboxes.renew(held)
    clock.ms += 9_000
    assert is_idle(mailboxes)


def test_a_claim_that_has_lost_one_of_its_customers_is_not_renewed_as_a_whole(
    mailboxes: LoopedMailboxes, clock: ManualClock, client: fakeredis.FakeRedis
) -> None:
    fill(mailboxes, "cus_a", 1)
    fill(mailboxes, "cus_b", 1)
    held = claim(mailboxes, lease_seconds=10)
    client.hset("{cogento:0}:owners", "cus_a", "somebody else")
    assert not mailboxes.renew(held)


def test_a_lease_that_passed_to_another_is_neither_renewed_nor_released(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    fill(mailboxes, "cus_a", 1)
    frozen = claim(mailboxes, lease_seconds=10)
    clock.ms += 10_000
    successor = claim(mailboxes)
    assert not mailboxes.renew(frozen)
    mailboxes.release(frozen)
    assert mailboxes.view(CUS_A).state is MailboxState.LEASED
    assert mailboxes.settle(successor, all_done(successor)) == frozenset()


def test_a_late_settlement_changes_nothing_and_says_so(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    fill(mailboxes, "cus_a", 2)
    frozen = claim(mailboxes, lease_seconds=10)
    clock.ms += 10_000
    successor = claim(mailboxes)
    before = mailboxes.view(CUS_A)
    late = Settlement(
        CUS_A, done=ids("evt_a0"), parked=ids("evt_a1"), released=True, postponed_until_ms=clock.ms + 99
    )
    assert mailboxes.settle(frozen, [late]) == {CUS_A}
    assert mailboxes.view(CUS_A) == before
    assert mailboxes.settle(successor, all_done(successor)) == frozenset()


def test_released_events_are_ready_at_once_and_count_no_crash(mailboxes: LoopedMailboxes) -> None:
    fill(mailboxes, "cus_a", 1)
    mailboxes.release(claim(mailboxes))
    assert claim(mailboxes).batches[0].crashes == 0


def test_a_customer_that_crashed_twice_is_claimed_alone(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    fill(mailboxes, "cus_a", 1)
    claim(mailboxes, lease_seconds=1)
    clock.ms += 1_000
    claim(mailboxes, lease_seconds=1)
    fill(mailboxes, "cus_b", 1)
    clock.ms += 1_000
    assert taken(claim(mailboxes)) == {"cus_b": ["evt_b0"]}
    alone = claim(mailboxes)
    assert taken(alone) == {"cus_a": ["evt_a0"]}
    assert alone.batches[0].crashes == 2


def test_a_suspect_at_the_head_of_the_line_shares_its_claim_with_nobody(
    mailboxes: LoopedMailboxes, clock: ManualClock, client: fakeredis.FakeRedis
) -> None:
    fill(mailboxes, "cus_a", 1)
    clock.ms += 1
    fill(mailboxes, "cus_b", 1)
    client.hset("{cogento:0}:crashes", "cus_a", "2")
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_a0"]}


def test_a_settled_turn_clears_the_crashes(mailboxes: LoopedMailboxes, clock: ManualClock) -> None:
    fill(mailboxes, "cus_a", 2)
    claim(mailboxes, lease_seconds=1)
    clock.ms += 1_000
    second = claim(mailboxes)
    mailboxes.settle(second, [Settlement(CUS_A, done=ids("evt_a0"))])
    assert claim(mailboxes).batches[0].crashes == 0


def test_a_suspect_stays_one_until_its_mailbox_is_empty(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    fill(mailboxes, "cus_a", 2)
    client.hset("{cogento:0}:crashes", "cus_a", "3")
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, done=ids("evt_a0"))])
    last = claim(mailboxes)
    assert last.batches[0].crashes == 2
    mailboxes.settle(last, [Settlement(CUS_A, done=ids("evt_a1"))])
    fill(mailboxes, "cus_a", 1)
    assert claim(mailboxes).batches[0].crashes == 0


def test_what_a_newer_version_stored_is_parked_and_the_rest_is_read(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    fill(mailboxes, "cus_a", 2)
    stored = client.get("{cogento:0}:event:evt_a0")
    assert isinstance(stored, bytes)
    client.set("{cogento:0}:event:evt_a0", NEWER + stored[1:])
    held = claim(mailboxes)
    assert taken(held) == {"cus_a": ["evt_a1"]}
    mailboxes.settle(held, all_done(held))
    assert [one.event_id for one in mailboxes.view(CUS_A).parked] == ["evt_a0"]


def test_a_turn_of_nothing_but_newer_versions_is_parked_at_once(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    fill(mailboxes, "cus_a", 1)
    size = client.strlen("{cogento:0}:event:evt_a0")
    client.set("{cogento:0}:event:evt_a0", NEWER.ljust(size, b"?"))
    assert is_idle(mailboxes)
    assert mailboxes.view(CUS_A).parked_total == 1


def test_a_claim_is_given_back_where_what_a_newer_version_stored_could_not_be_parked(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    fill(mailboxes, "cus_a", 1)
    fill(mailboxes, "cus_b", 1)
    size = client.strlen("{cogento:0}:event:evt_a0")
    client.set("{cogento:0}:event:evt_a0", NEWER.ljust(size, b"?"))
    with failing_half_way("settle", writes=0), pytest.raises(MailboxUnavailable):
        claim(mailboxes)
    held = claim(mailboxes)
    assert taken(held) == {"cus_b": ["evt_b0"]}
    assert held.batches[0].crashes == 0


@pytest.mark.parametrize("value", [b"", b"not json", b"\x01w123", b"\x01w0000000000001ajunk", b"\xff\x00"])
def test_what_no_version_wrote_reaches_the_worker_as_it_is(
    value: bytes, mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    fill(mailboxes, "cus_a", 1)
    client.hincrby("{cogento:0}:stats", "bytes", len(value) - client.strlen("{cogento:0}:event:evt_a0"))
    client.set("{cogento:0}:event:evt_a0", value)
    assert claim(mailboxes).batches[0].events[0].body == value


def test_an_id_whose_payload_was_deleted_by_hand_leaves_the_mailbox(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    fill(mailboxes, "cus_a", 2)
    client.hincrby("{cogento:0}:stats", "bytes", -client.strlen("{cogento:0}:event:evt_a0"))
    client.delete("{cogento:0}:event:evt_a0")
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_a1"]}


def test_a_customer_put_in_line_by_hand_without_events_harms_nobody(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    client.zadd("{cogento:0}:ready", {"cus_ghost": 0})
    fill(mailboxes, "cus_a", 1)
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_a0"]}


def test_a_flushed_server_is_an_empty_one(mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis) -> None:
    fill(mailboxes, "cus_a", 1)
    held = claim(mailboxes)
    client.flushall()
    assert mailboxes.settle(held, all_done(held)) == {CUS_A}
    assert not mailboxes.renew(held)
    assert is_idle(mailboxes)
    fill(mailboxes, "cus_a", 1)
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_a0"]}
