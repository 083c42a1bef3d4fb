"""What becomes of an envelope that is put, and in which order it waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.events.outcomes import Source
from cogento.queue.claims import Limits, PutResult
from cogento.queue.replies import SECOND
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import all_done, claim, envelope, ids, taken

if TYPE_CHECKING:
    import fakeredis

    from tests.support.mailbox_builders import ManualClock


def results(mailboxes: LoopedMailboxes, *envelopes: object) -> list[PutResult]:
    return [put.result for put in mailboxes.put(envelopes)]  # type: ignore[arg-type]


def test_one_event_put_many_times_waits_once(mailboxes: LoopedMailboxes) -> None:
    storm = results(mailboxes, *[envelope()] * 300)
    assert storm == [PutResult.QUEUED] + [PutResult.DUPLICATE] * 299
    assert mailboxes.status().waiting == 1


def test_an_event_comes_out_as_it_went_in(mailboxes: LoopedMailboxes, clock: ManualClock) -> None:
    mailboxes.put([envelope()], source=Source.SWEEP)
    ((waiting,),) = [batch.events for batch in claim(mailboxes).batches]
    assert waiting.body == envelope().body
    assert (waiting.source, waiting.received_ms, waiting.attempts) == (Source.SWEEP, clock.ms, 0)


def test_older_events_come_out_first_however_late_they_came_in(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_new", second=2)])
    mailboxes.put([envelope("evt_old", second=1)])
    assert taken(claim(mailboxes)) == {"cus_a": ["evt_old", "evt_new"]}


def test_within_a_second_events_keep_the_order_of_their_arrival(mailboxes: LoopedMailboxes) -> None:
    arrivals = [f"evt_{number}" for number in (3, 1, 2)]
    mailboxes.put([envelope(id_) for id_ in arrivals])
    assert taken(claim(mailboxes)) == {"cus_a": arrivals}


def test_a_place_is_exact_to_the_last_arrival_of_the_latest_second(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    latest = 2**32 - 1 - envelope().created
    mailboxes.put([envelope("evt_1", second=latest)])
    client.zadd("{cogento:0}:mail:cus_a", {"evt_1": 2**53 - 3})
    mailboxes.put([envelope("evt_2", second=latest)])
    assert client.zscore("{cogento:0}:mail:cus_a", "evt_2") == 2**53 - 2


def test_a_full_second_takes_more_events_at_its_last_place(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    last = (envelope().created + 1) * SECOND - 1
    mailboxes.put([envelope("evt_1")])
    client.zadd("{cogento:0}:mail:cus_a", {"evt_1": last})
    mailboxes.put([envelope("evt_2")])
    assert client.zscore("{cogento:0}:mail:cus_a", "evt_2") == last


def test_another_count_of_pending_webhooks_is_a_plain_duplicate(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope(pending_webhooks=2)])
    assert results(mailboxes, envelope(pending_webhooks=1)) == [PutResult.DUPLICATE]


def test_the_rendering_of_another_api_version_is_a_plain_duplicate(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope(api_version="2024-06-20", content="old shape")])
    rendered = envelope(api_version="2025-06-30.basil", content="new shape")
    assert results(mailboxes, rendered) == [PutResult.DUPLICATE]


def test_other_content_under_the_same_id_is_told_and_the_first_stays(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope(content="true")])
    assert results(mailboxes, envelope(content="forged")) == [PutResult.DUPLICATE_DIFFERS]
    ((waiting,),) = [batch.events for batch in claim(mailboxes).batches]
    assert waiting.body == envelope(content="true").body


def test_an_event_that_was_settled_is_taken_again_for_the_ledger_to_judge(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope()])
    first = claim(mailboxes)
    mailboxes.settle(first, all_done(first))
    assert results(mailboxes, envelope()) == [PutResult.QUEUED]


def test_a_customer_beyond_its_cap_is_full_and_others_are_not(
    client: fakeredis.FakeRedis, clock: ManualClock
) -> None:
    mailboxes = LoopedMailboxes.on(client, clock=clock, limits=Limits(customer_events=1))
    mailboxes.put([envelope("evt_1")])
    put = results(mailboxes, envelope("evt_2"), envelope("evt_3", customer="cus_b"))
    assert put == [PutResult.FULL, PutResult.QUEUED]


@pytest.mark.parametrize("limits", [Limits(total_events=2), Limits(total_bytes=220)])
def test_beyond_the_cap_on_all_everybody_is_full(
    limits: Limits, client: fakeredis.FakeRedis, clock: ManualClock
) -> None:
    mailboxes = LoopedMailboxes.on(client, clock=clock, limits=limits)
    put = results(mailboxes, *[envelope(f"evt_{number}", customer=f"cus_{number}") for number in range(3)])
    assert put == [PutResult.QUEUED, PutResult.QUEUED, PutResult.FULL]


def test_what_is_full_takes_more_once_something_is_settled(
    client: fakeredis.FakeRedis, clock: ManualClock
) -> None:
    mailboxes = LoopedMailboxes.on(client, clock=clock, limits=Limits(total_events=1))
    mailboxes.put([envelope("evt_1")])
    first = claim(mailboxes)
    mailboxes.settle(first, all_done(first))
    assert results(mailboxes, envelope("evt_2")) == [PutResult.QUEUED]


def test_a_duplicate_is_told_as_such_even_where_nothing_more_fits(
    client: fakeredis.FakeRedis, clock: ManualClock
) -> None:
    mailboxes = LoopedMailboxes.on(client, clock=clock, limits=Limits(total_events=1))
    assert results(mailboxes, envelope(), envelope()) == [PutResult.QUEUED, PutResult.DUPLICATE]


def test_a_waiting_event_is_found_by_its_id_alone(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1")])
    found = mailboxes.find(*ids("evt_1"))
    assert found is not None
    assert found.body == envelope("evt_1").body
    assert mailboxes.find(*ids("evt_2")) is None


@pytest.mark.parametrize("shards", [1, 7])
def test_every_shard_gets_and_gives_its_customers_events(
    shards: int, client: fakeredis.FakeRedis, clock: ManualClock
) -> None:
    mailboxes = LoopedMailboxes.on(client, clock=clock, shards=shards)
    envelopes = [envelope(f"evt_{number}", customer=f"cus_{number}") for number in range(20)]
    assert results(mailboxes, *envelopes) == [PutResult.QUEUED] * 20
    assert mailboxes.status().waiting == 20
    everything = claim(mailboxes, max_customers=20)
    assert taken(everything) == {one.customer_id: [one.event_id] for one in envelopes}
    assert mailboxes.renew(everything)
    assert mailboxes.settle(everything, all_done(everything)) == frozenset()
    assert mailboxes.status().waiting == 0
