"""Which events a worker can read, and which can only become dead letters."""

from __future__ import annotations

from typing import Any

import pytest

from cogento.events.fence import Fence
from cogento.events.names import CustomerId, EventId
from cogento.events.outcomes import Source
from cogento.queue.claims import CustomerBatch, QueuedEvent
from tests.support.builders import NOW, body, customer, event, thin_event
from worker.decode import decode_batch

TEST, LIVE = Fence(livemode=False, account=None), Fence(livemode=True, account=None)
ONE = Fence(livemode=False, account="acct_ONE")


def batch_of(raw: bytes, source: Source, *, id_: str = "evt_1") -> CustomerBatch:
    waiting = QueuedEvent(EventId(id_), raw, received_ms=NOW * 1000, source=source)
    return CustomerBatch(CustomerId("cus_1"), (waiting,))


def dead_reasons(raw: bytes, source: Source, fence: Fence | None, *, id_: str = "evt_1") -> list[str]:
    return [one.error.reason for one in decode_batch(batch_of(raw, source, id_=id_), fence).unreadable]


@pytest.mark.parametrize(
    ("fence", "named"),
    [
        (LIVE, {}),
        (TEST, {"livemode": True}),
        (TEST, {"account": "acct_ONE"}),
        (TEST, {"context": "acct_ONE"}),
        (ONE, {"account": "acct_TWO"}),
    ],
)
def test_t6_a_letter_of_another_mode_or_account_that_is_put_back_is_dead_again(
    fence: Fence, named: dict[str, Any]
) -> None:
    raw = body(event("customer.updated", customer(), **named))

    assert dead_reasons(raw, Source.RETRY, fence) == ["fenced"]


@pytest.mark.parametrize("named", [{"livemode": True}, {"context": "acct_ONE"}])
def test_t6_a_thin_event_s_letter_is_held_against_it_as_well(named: dict[str, Any]) -> None:
    assert dead_reasons(body(thin_event(**named)), Source.RETRY, TEST, id_="evt_test_1") == ["fenced"]


@pytest.mark.parametrize(
    ("fence", "named"),
    [
        (TEST, {}),
        (ONE, {}),
        (ONE, {"account": "acct_ONE"}),
        (LIVE, {"livemode": True}),
        (TEST, {"livemode": None}),
    ],
)
def test_a_letter_that_names_nothing_else_than_ours_is_read(fence: Fence, named: dict[str, Any]) -> None:
    assert dead_reasons(body(event("customer.updated", customer(), **named)), Source.RETRY, fence) == []


@pytest.mark.parametrize("source", [Source.WEBHOOK, Source.SWEEP, Source.FETCH])
def test_events_that_came_by_another_way_were_held_against_the_fence_there(source: Source) -> None:
    assert dead_reasons(body(event("customer.updated", customer())), source, LIVE) == []


def test_a_letter_that_cannot_be_read_still_says_why() -> None:
    assert dead_reasons(b"{}", Source.RETRY, LIVE) == ["malformed"]
