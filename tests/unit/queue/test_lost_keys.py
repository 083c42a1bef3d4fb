"""What Redis loses, or somebody overwrites, is repaired: one key at a time, on the real Lua."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.events.names import CustomerId, EventId
from cogento.queue.claims import FailedAttempt, PutResult, Settlement
from cogento.queue.inspection import NOTHING
from cogento.queue.status import MailboxState
from tests.support.mailbox_builders import all_done, claim, envelope, ids, is_idle, taken
from tests.support.mailbox_invariants import broken_invariants

if TYPE_CHECKING:
    from collections.abc import Callable

    import fakeredis

    from tests.support.looped import LoopedInspection, LoopedMailboxes
    from tests.support.mailbox_builders import ManualClock

    Harm = Callable[[fakeredis.FakeRedis, str], None]

TAG = "{cogento:0}"
READY, LEASED, SLEEPING, PAUSED, PARKED = (
    CustomerId(f"cus_{state}") for state in ("ready", "leased", "sleeping", "paused", "parked")
)
EVERYBODY = (READY, LEASED, SLEEPING, PAUSED, PARKED)
LEASE_SECONDS = 20

SHARED_KEYS = (
    *("ready", "leases", "sleeping", "paused", "parked", "since"),
    *("pauses", "crashes", "tries", "bell", "stats", "workers", "delays", "pace"),
)
MAILBOXES = (*(f"mail:{customer}" for customer in EVERYBODY[:4]), f"held:{PARKED}")
KEYS = (*SHARED_KEYS, *MAILBOXES)


def delete(client: fakeredis.FakeRedis, key: str) -> None:
    client.delete(key)


def overwrite(client: fakeredis.FakeRedis, key: str) -> None:
    """As no key of ours is: a list."""
    client.delete(key)
    client.rpush(key, "junk")


HARMS = pytest.mark.parametrize("harm", [delete, overwrite])


@pytest.fixture
def inspection(mailboxes: LoopedMailboxes) -> LoopedInspection:
    return mailboxes.inspection(lease_seconds=LEASE_SECONDS)


@pytest.fixture
def look(inspection: LoopedInspection, client: fakeredis.FakeRedis, clock: ManualClock) -> Callable[[], None]:
    """Inspect as often as it takes to be sure of a gauge, however lately somebody did."""

    def look() -> None:
        clock.ms += 1  # what came this very moment is left to the next round
        for _ in range(3):
            client.delete(f"{TAG}:inspected")
            assert inspection.run() is not None

    return look


@pytest.fixture
def crowded(mailboxes: LoopedMailboxes, clock: ManualClock) -> LoopedMailboxes:
    """A customer in each state, with two events each; of the parked one's, one waits and one is parked."""
    mailboxes.put([envelope("evt_leased_0", customer=LEASED), envelope("evt_leased_1", customer=LEASED)])
    claim(mailboxes, lease_seconds=LEASE_SECONDS)
    for customer in (SLEEPING, PARKED):
        mailboxes.put([envelope(f"evt_{customer[4:]}_{n}", customer=customer) for n in range(2)])
    claimed = claim(mailboxes)
    failed = FailedAttempt(EventId("evt_sleeping_0"), 1, clock.ms, "bug")
    mailboxes.settle(
        claimed,
        [
            Settlement(SLEEPING, failed=(failed,), postponed_until_ms=clock.ms + 30_000),
            Settlement(PARKED, parked=ids("evt_parked_0", "evt_parked_1")),
        ],
    )
    mailboxes.pause(PAUSED)
    for customer in (PAUSED, READY):
        mailboxes.put([envelope(f"evt_{customer[4:]}_{n}", customer=customer) for n in range(2)])
    return mailboxes


def waiting_and_parked(mailboxes: LoopedMailboxes) -> dict[str, list[str]]:
    """Every event by its customer, in order."""
    views = [mailboxes.view(customer) for customer in EVERYBODY]
    return {view.customer_id: [one.event_id for one in (*view.waiting, *view.parked)] for view in views}


def everything() -> dict[str, list[str]]:
    return {customer: [f"evt_{customer[4:]}_0", f"evt_{customer[4:]}_1"] for customer in EVERYBODY}


def test_a9_nothing_is_changed_where_nothing_was_lost(
    crowded: LoopedMailboxes, client: fakeredis.FakeRedis, inspection: LoopedInspection
) -> None:
    before = {key: client.dump(key) for key in sorted(client.keys())}
    assert inspection.run() == NOTHING
    after = {key: client.dump(key) for key in sorted(client.keys()) if b":inspected" not in key}
    assert after == before


@HARMS
@pytest.mark.parametrize("key", KEYS)
def test_a9_whatever_key_is_lost_every_event_is_in_line_again_soon(
    key: str, harm: Harm, crowded: LoopedMailboxes, client: fakeredis.FakeRedis, look: Callable[[], None]
) -> None:
    harm(client, f"{TAG}:{key}")
    look()
    assert waiting_and_parked(crowded) == everything()
    assert broken_invariants(client) == []


@HARMS
@pytest.mark.parametrize("key", sorted(set(KEYS) - {"pauses", "paused"}))
def test_a9_what_was_paused_stays_so_whatever_else_is_lost(
    key: str, harm: Harm, crowded: LoopedMailboxes, client: fakeredis.FakeRedis, look: Callable[[], None]
) -> None:
    harm(client, f"{TAG}:{key}")
    look()
    view = crowded.view(PAUSED)
    assert (view.state, view.pause is not None) == (MailboxState.PAUSED, True)


@HARMS
@pytest.mark.parametrize("key", ["pauses", "paused"])
def test_a9_of_the_two_keys_that_tell_of_a_pause_either_one_is_enough(
    key: str, harm: Harm, crowded: LoopedMailboxes, client: fakeredis.FakeRedis, look: Callable[[], None]
) -> None:
    harm(client, f"{TAG}:{key}")
    look()
    view = crowded.view(PAUSED)
    assert (view.state, view.pause is not None) == (MailboxState.PAUSED, True)


def test_a9_everything_stays_paused_when_the_halt_is_overwritten(
    crowded: LoopedMailboxes, client: fakeredis.FakeRedis, look: Callable[[], None]
) -> None:
    crowded.pause()
    overwrite(client, f"{TAG}:halted")
    look()
    assert crowded.status().everything_paused
    assert is_idle(crowded)


@HARMS
@pytest.mark.parametrize("key", ["ready", "leases", "sleeping", "since", "stats"])
def test_a9_who_is_in_a_workers_hands_is_no_other_workers(
    key: str, harm: Harm, crowded: LoopedMailboxes, client: fakeredis.FakeRedis, look: Callable[[], None]
) -> None:
    harm(client, f"{TAG}:{key}")
    crowded.put([envelope("evt_leased_2", customer=LEASED)])
    look()
    assert LEASED not in taken(claim(crowded))


def test_a9_a_lease_that_was_lost_ends_all_the_same_when_its_worker_is_dead(
    crowded: LoopedMailboxes, client: fakeredis.FakeRedis, clock: ManualClock, look: Callable[[], None]
) -> None:
    client.delete(f"{TAG}:leases")
    look()
    clock.ms += LEASE_SECONDS * 1000
    assert LEASED in taken(claim(crowded))


def test_a9_a_worker_whose_name_was_lost_is_not_taken_for_one_that_died(
    crowded: LoopedMailboxes, client: fakeredis.FakeRedis, clock: ManualClock, look: Callable[[], None]
) -> None:
    client.delete(f"{TAG}:owners")
    look()
    clock.ms += LEASE_SECONDS * 1000
    (leased,) = [batch for batch in claim(crowded).batches if batch.customer_id == LEASED]
    assert leased.crashes == 0


@HARMS
@pytest.mark.parametrize("key", [*KEYS, "owners"])
def test_a9_a_repetition_right_after_the_loss_waits_and_comes_out(
    key: str, harm: Harm, mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    mailboxes.put([envelope("evt_ready_0", customer=READY)])
    harm(client, f"{TAG}:{key}")
    harm(client, f"{TAG}:mail:{READY}")
    (put,) = mailboxes.put([envelope("evt_ready_0", customer=READY)])
    assert put.result in {PutResult.QUEUED, PutResult.DUPLICATE}
    assert taken(claim(mailboxes)) == {READY: ["evt_ready_0"]}
    client.flushall()


def test_a9_a_repetition_with_other_bytes_brings_back_the_one_that_lies_nowhere(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    mailboxes.put([envelope("evt_1", customer=READY)])
    client.delete(f"{TAG}:mail:{READY}")
    (put,) = mailboxes.put([envelope("evt_1", customer=READY, pending_webhooks=0)])
    assert put.result is PutResult.DUPLICATE
    assert taken(claim(mailboxes)) == {READY: ["evt_1"]}
    client.flushall()


def test_a9_an_id_that_waits_for_one_customer_is_not_laid_into_anothers_mailbox(
    mailboxes: LoopedMailboxes,
) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    (put,) = mailboxes.put([envelope("evt_1", customer="cus_b")])
    assert put.result is PutResult.DUPLICATE_DIFFERS
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_1"]}


@HARMS
def test_a9_an_event_whose_bytes_are_gone_is_counted_and_told_of_and_holds_nobody_up(
    harm: Harm,
    crowded: LoopedMailboxes,
    client: fakeredis.FakeRedis,
    look: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    harm(client, f"{TAG}:event:evt_ready_0")
    look()
    assert taken(claim(crowded)) == {READY: ["evt_ready_1"]}
    assert crowded.status().counters.lost == 1
    assert "evt_ready_0" in capsys.readouterr().out
    look()
    assert broken_invariants(client) == []


def test_a9_a_claim_that_finds_an_event_without_bytes_counts_it_and_takes_the_next(
    crowded: LoopedMailboxes, client: fakeredis.FakeRedis, look: Callable[[], None]
) -> None:
    client.delete(f"{TAG}:event:evt_ready_0")
    assert taken(claim(crowded)) == {READY: ["evt_ready_1"]}
    assert crowded.status().counters.lost == 1
    look()


def test_a9_an_event_that_was_lost_and_is_sent_again_is_queued(
    crowded: LoopedMailboxes, client: fakeredis.FakeRedis, look: Callable[[], None]
) -> None:
    client.delete(f"{TAG}:event:evt_ready_0")
    look()
    (put,) = crowded.put([envelope("evt_ready_0", customer=READY)])
    assert put.result is PutResult.QUEUED


def test_a9_junk_is_kept_aside_for_whoever_misses_it(
    crowded: LoopedMailboxes, client: fakeredis.FakeRedis, look: Callable[[], None]
) -> None:
    overwrite(client, f"{TAG}:ready")
    look()
    assert client.lrange(f"{TAG}:aside:ready", 0, -1) == [b"junk"]
    assert 0 < client.ttl(f"{TAG}:aside:ready") <= 30 * 24 * 3600


def test_a9_a_counter_that_is_no_number_fails_no_command(
    crowded: LoopedMailboxes, client: fakeredis.FakeRedis, look: Callable[[], None]
) -> None:
    client.hset(f"{TAG}:stats", "waiting", "junk")
    crowded.put([envelope("evt_new", customer=READY)])
    look()
    assert crowded.status().waiting == 9


def test_a9_a_turn_that_was_settled_meanwhile_is_done_again_and_no_more(
    crowded: LoopedMailboxes, client: fakeredis.FakeRedis, look: Callable[[], None]
) -> None:
    claimed = claim(crowded)
    client.delete(f"{TAG}:mail:{READY}")
    crowded.settle(claimed, all_done(claimed))
    look()
    again = claim(crowded)
    assert taken(again) == {READY: ["evt_ready_0", "evt_ready_1"]}
    crowded.settle(again, all_done(again))
    look()
    assert crowded.view(READY).waiting == ()


def test_a9_order_is_kept_among_what_is_laid_back(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis, look: Callable[[], None]
) -> None:
    mailboxes.put([envelope(f"evt_{second}", customer=READY, second=second) for second in (3, 1, 2)])
    client.delete(f"{TAG}:mail:{READY}")
    look()
    assert taken(claim(mailboxes)) == {READY: ["evt_1", "evt_2", "evt_3"]}
    look()


def test_a9_one_process_inspects_at_a_time(inspection: LoopedInspection, client: fakeredis.FakeRedis) -> None:
    assert inspection.run() == NOTHING
    assert inspection.run() is None
    assert 0 < client.pttl(f"{TAG}:inspected") <= 5_000


def test_a9_an_inspection_that_is_asked_to_stop_leaves_the_next_one_to_go_on(
    crowded: LoopedMailboxes, client: fakeredis.FakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.queue.inspection.CUSTOMERS_AT_ONCE", 1)
    monkeypatch.setattr("cogento.queue.inspection.REST", 1e9)

    async def cut_short() -> None:
        async with asyncio.timeout(0.1):
            await crowded.looped.inspection(lease_seconds=LEASE_SECONDS).run()

    with pytest.raises(TimeoutError):
        runtime.run(cut_short())
    assert not client.exists(f"{TAG}:inspected")


@pytest.mark.parametrize("key", ["since", f"mail:{LEASED}"])
def test_a9_a_put_right_after_the_loss_takes_nobody_out_of_a_workers_hands(
    key: str, crowded: LoopedMailboxes, client: fakeredis.FakeRedis, look: Callable[[], None]
) -> None:
    client.delete(f"{TAG}:{key}")
    crowded.put([envelope("evt_leased_2", customer=LEASED)])
    assert LEASED not in taken(claim(crowded))
    look()


@pytest.mark.parametrize("replays", [(), (READY,)], ids=["in time", "at once"])
def test_a9_parked_events_that_return_take_no_customer_out_of_a_claim(
    replays: tuple[CustomerId, ...],
    mailboxes: LoopedMailboxes,
    client: fakeredis.FakeRedis,
    clock: ManualClock,
    look: Callable[[], None],
) -> None:
    mailboxes.put([envelope("evt_0", customer=READY), envelope("evt_1", customer=READY)])
    mailboxes.settle(claim(mailboxes), [Settlement(READY, parked=ids("evt_0"))])
    claim(mailboxes, lease_seconds=1_000)
    client.delete(f"{TAG}:mail:{READY}")
    assert all(mailboxes.replay(customer) for customer in replays)
    clock.ms += 400_000
    assert is_idle(mailboxes)
    look()
