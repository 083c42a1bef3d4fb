"""What a settled batch leaves: nothing, a sleeping customer, parked events, or the customer back in line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cogento.events.names import CustomerId, EventId
from cogento.queue.claims import FailedAttempt, Settlement
from cogento.queue.status import MailboxState
from tests.support.mailbox_builders import START_MS, all_done, claim, envelope, ids, is_idle, taken

if TYPE_CHECKING:
    import fakeredis

    from tests.support.looped import LoopedMailboxes
    from tests.support.mailbox_builders import ManualClock

CUS_A, CUS_B = CustomerId("cus_a"), CustomerId("cus_b")
PARKED_LOOK_MS = 300_000


def test_memory_is_flat_once_everything_is_settled(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    mailboxes.put([envelope("evt_1"), envelope("evt_2", customer="cus_b")])
    held = claim(mailboxes)
    mailboxes.settle(held, all_done(held))
    is_idle(mailboxes)
    assert sorted(client.keys("*")) == [b"{cogento:0}:layout", b"{cogento:0}:stats"]


def test_events_that_came_during_the_turn_stay(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1")])
    held = claim(mailboxes)
    mailboxes.put([envelope("evt_2")])
    mailboxes.settle(held, all_done(held))
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_2"]}


def test_older_events_that_came_during_the_turn_stay_at_the_head(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_2", second=10)])
    held = claim(mailboxes)
    mailboxes.put([envelope("evt_1", second=0)])
    mailboxes.settle(held, all_done(held))
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_1"]}


def test_part_of_a_claim_can_be_settled_before_the_rest(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1"), envelope("evt_2", customer="cus_b")])
    held = claim(mailboxes)
    mailboxes.settle(held, [Settlement(CUS_A, done=ids("evt_1"))])
    assert mailboxes.renew(replace(held, batches=held.batches[1:]))
    assert mailboxes.view(CUS_A).state is None
    assert mailboxes.view(CUS_B).state is MailboxState.LEASED


def test_an_id_of_another_customer_is_left_alone(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1"), envelope("evt_2", customer="cus_b")])
    held = claim(mailboxes)
    mailboxes.settle(held, [Settlement(CUS_A, done=ids("evt_1", "evt_2"))])
    assert mailboxes.find(EventId("evt_2")) is not None


def test_a_postponed_customer_sleeps_with_all_its_events_and_others_go_on(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, postponed_until_ms=clock.ms + 1_000)])
    mailboxes.put([envelope("evt_2"), envelope("evt_3", customer="cus_b")])
    assert taken(claim(mailboxes)) == {"cus_b": ["evt_3"]}
    clock.ms += 1_000
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_1", "evt_2"]}


def test_the_next_attempt_knows_of_the_earlier_ones(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1"), envelope("evt_2")])
    failed = FailedAttempt(EventId("evt_1"), attempts=3, first_attempt_ms=START_MS, error_class="transient")
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, failed=(failed,))])
    first, second = claim(mailboxes).batches[0].events
    assert (first.attempts, first.first_attempt_ms) == (3, START_MS)
    assert (second.attempts, second.first_attempt_ms) == (0, None)
    assert mailboxes.view(CUS_A).waiting[0].error_class == "transient"


def test_an_event_that_only_waits_has_no_attempts_and_says_why(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1")])
    waits = FailedAttempt(EventId("evt_1"), attempts=0, first_attempt_ms=None, error_class="other_release")
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, failed=(waits,))])
    (again,) = claim(mailboxes).batches[0].events
    assert (again.attempts, again.first_attempt_ms) == (0, None)
    assert mailboxes.view(CUS_A).waiting[0].error_class == "other_release"


def test_the_attempts_are_forgotten_with_the_event(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    mailboxes.put([envelope("evt_1")])
    failed = FailedAttempt(EventId("evt_1"), attempts=3, first_attempt_ms=START_MS, error_class="transient")
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, failed=(failed,))])
    held = claim(mailboxes)
    mailboxes.settle(held, all_done(held))
    assert not client.exists("{cogento:0}:tries")


def test_parked_events_step_aside_and_block_nobody(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1"), envelope("evt_2")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_1"))])
    status = mailboxes.status()
    assert (status.waiting, status.parked, status.parked_customers) == (1, 1, 1)
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_2"]}


def test_parked_events_return_to_their_places_when_the_customer_is_there(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_2", second=2), envelope("evt_1", second=1)])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_1", "evt_2"))])
    mailboxes.put([envelope("evt_3", second=3)])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, done=ids("evt_3"), released=True)])
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_1", "evt_2"]}


def test_an_event_that_arrives_while_its_second_is_parked_comes_after_it(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_2")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_2"))])
    mailboxes.put([envelope("evt_1")])
    mailboxes.replay(CUS_A)
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_2", "evt_1"]}


def test_parked_events_are_looked_at_again_after_some_minutes(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_1"))])
    clock.ms += PARKED_LOOK_MS - 1
    assert is_idle(mailboxes)
    clock.ms += 1
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_1"]}


def test_the_first_parked_event_sets_the_time_of_the_next_look(
    mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    mailboxes.put([envelope("evt_1")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_1"))])
    clock.ms += 1_000
    mailboxes.put([envelope("evt_2")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_2"))])
    assert mailboxes.view(CUS_A).parked_look_ms == START_MS + PARKED_LOOK_MS


def test_a_look_at_parked_events_moves_nobody_in_line(mailboxes: LoopedMailboxes, clock: ManualClock) -> None:
    mailboxes.put([envelope("evt_1")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_1"))])
    clock.ms += 1_000
    mailboxes.put([envelope("evt_2"), envelope("evt_3", customer="cus_b")])
    clock.ms += PARKED_LOOK_MS
    assert list(taken(claim(mailboxes, max_customers=1))) == ["cus_a"]


def test_a_sleeper_with_due_parked_events_sleeps_on(mailboxes: LoopedMailboxes, clock: ManualClock) -> None:
    mailboxes.put([envelope("evt_1"), envelope("evt_2")])
    mailboxes.settle(
        claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_1"), postponed_until_ms=clock.ms + 999_999)]
    )
    clock.ms += PARKED_LOOK_MS
    assert is_idle(mailboxes)
    assert [one.event_id for one in mailboxes.view(CUS_A).waiting] == ["evt_1", "evt_2"]


def test_replay_ends_sleep_and_parking(mailboxes: LoopedMailboxes, clock: ManualClock) -> None:
    mailboxes.put([envelope("evt_1"), envelope("evt_2")])
    mailboxes.settle(
        claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_2"), postponed_until_ms=clock.ms + 999_999)]
    )
    assert mailboxes.replay(CUS_A)
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_1", "evt_2"]}
    assert not mailboxes.replay(CUS_A)


def test_replay_of_parked_events_alone_makes_the_customer_ready(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1")])
    mailboxes.settle(claim(mailboxes), [Settlement(CUS_A, parked=ids("evt_1"))])
    assert mailboxes.replay(CUS_A)
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_1"]}
