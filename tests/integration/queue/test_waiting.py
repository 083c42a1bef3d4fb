"""The list of waiting customers, and the oldest of them, on a real server that holds very many."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import redis

from cogento.events.names import CustomerId, EventId
from cogento.queue.claims import Settlement
from cogento.queue.search import MAX_SEARCHED, SearchResult
from cogento.queue.waiting import MAX_CUSTOMERS, WaitingState
from tests.support.mailbox_builders import envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.looped import LoopedMailboxes

    Fill = Callable[[int, int], int]

TAG = "{cogento:0}"
QUICK_SECONDS = 0.25
"""Of a machine that others use, too; by itself each of these takes under 10 ms."""

FILL = """
local tag, first, last, since, paused = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
for n = first, last do
  local customer, id = 'cus_' .. n, 'evt_' .. n
  redis.call('SET', tag .. ':event:' .. id, '\\2w' .. string.format('%d', since + n) .. '={}')
  redis.call('ZADD', tag .. ':mail:' .. customer, 1, id)
  redis.call('ZADD', tag .. ':since', since + n, customer)
  redis.call('ZADD', tag .. (n <= paused and ':paused' or ':ready'), since + n, customer)
  if n <= paused then redis.call('HSET', tag .. ':pauses', customer, since) end
end
"""


@pytest.fixture
def fill(mailboxes: LoopedMailboxes, redis_url: str) -> Iterator[Fill]:
    """Let very many customers wait, the first of them paused as an older release notes it; gives the first one's ms."""
    with redis.Redis.from_url(redis_url) as client:
        script = client.register_script(FILL)
        since = mailboxes.now_ms() - 1_000_000

        def fill(customers: int, paused: int) -> int:
            for first in range(1, customers, 10_000):
                script([TAG], [first, min(first + 9_999, customers), since, paused])
            return since + 1

        yield fill
        client.flushall()


def seconds(asked: Callable[[], object]) -> float:
    """How long an answer takes, at best: others compute here, too."""

    def once() -> float:
        began = time.perf_counter()
        asked()
        return time.perf_counter() - began

    return min(once() for _ in range(3))


def test_of_100_000_waiting_customers_those_of_each_state_and_the_oldest_are_found_quickly(
    mailboxes: LoopedMailboxes, fill: Fill
) -> None:
    first_ms = fill(100_000, 20_000)
    page = mailboxes.waiting()
    paused, queued = page.rows[0], page.rows[MAX_CUSTOMERS]
    assert (paused.customer_id, paused.why, paused.since_ms) == ("cus_1", "", first_ms - 1)
    assert (queued.customer_id, queued.state) == ("cus_20001", WaitingState.QUEUED)
    assert len(page.rows) == 2 * MAX_CUSTOMERS
    assert page.unlisted(WaitingState.PAUSED) == 20_000 - MAX_CUSTOMERS
    assert page.unlisted(WaitingState.QUEUED) == 80_000 - MAX_CUSTOMERS
    assert seconds(mailboxes.waiting) < QUICK_SECONDS
    assert seconds(lambda: mailboxes.waiting(customer=CustomerId("cus_99999"))) < QUICK_SECONDS
    status = mailboxes.status()
    assert (status.oldest_event_ms, status.oldest_paused_ms) == (first_ms + 20_000, first_ms)
    assert seconds(mailboxes.status) < QUICK_SECONDS


@pytest.mark.parametrize("paused", [0, 1, 1_500])
def test_the_oldest_is_found_past_those_that_are_paused(
    paused: int, mailboxes: LoopedMailboxes, fill: Fill
) -> None:
    first_ms = fill(2_000, paused)
    status = mailboxes.status()
    assert status.oldest_event_ms == first_ms + paused
    assert status.oldest_paused_ms == (first_ms if paused else None)
    assert mailboxes.waits_longest(limit=2)[1] == (f"cus_{paused + 2}", first_ms + paused + 1)


def test_the_only_paused_customer_is_found_behind_very_many_others(
    mailboxes: LoopedMailboxes, fill: Fill
) -> None:
    first_ms = fill(12_000, 0)
    mailboxes.pause(CustomerId("cus_11999"))
    assert mailboxes.status().oldest_paused_ms == first_ms + 11_998


def test_who_paused_and_why_is_kept_by_a_real_server(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(CustomerId("cus_a"), who="ops-1", why="INC-7")
    mailboxes.put([envelope("evt_1", customer="cus_a")])
    (row,) = mailboxes.waiting(WaitingState.PAUSED).rows
    assert (row.who, row.why, row.events) == ("ops-1", "INC-7", 1)
    mailboxes.pause(who="ops-2", why="INC-8")
    everything = mailboxes.pause_of_everything()
    assert everything is not None
    assert (everything.who, everything.why) == ("ops-2", "INC-8")
    assert mailboxes.resume(CustomerId("cus_a"))
    assert mailboxes.resume()
    assert mailboxes.view(CustomerId("cus_a")).pause is None


def test_waiting_events_are_looked_through_the_parked_ones_first(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope(f"evt_{n}", customer=f"cus_{n}") for n in range(3)])
    claimed = mailboxes.claim(max_customers=3, max_events=3, lease_seconds=5)
    assert claimed is not None
    parked = Settlement(CustomerId("cus_2"), parked=(EventId("evt_2"),))
    mailboxes.settle(claimed, [Settlement(CustomerId("cus_0")), Settlement(CustomerId("cus_1")), parked])
    found = mailboxes.search.find(lambda body: b"evt_2" in body)
    assert (found.customer_id, found.event_id, found.looked_through) == ("cus_2", "evt_2", 1)
    assert mailboxes.search.find(lambda body: b"evt_1" in body).looked_through == 3
    assert mailboxes.search.find(lambda _body: False) == SearchResult(None, None, 3)


def test_no_more_than_1000_waiting_events_are_looked_through_each_once(
    mailboxes: LoopedMailboxes, redis_url: str
) -> None:
    mailboxes.put([envelope(f"evt_{n}", customer=f"cus_{n % 450}") for n in range(1_100)])
    seen: list[bytes] = []

    def note(body: bytes) -> bool:
        seen.append(body)
        return False

    assert mailboxes.search.find(note).looked_through == MAX_SEARCHED
    assert len(set(seen)) == MAX_SEARCHED
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()


def test_bodies_of_events_that_are_gone_are_left_out(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1", customer="cus_1")])
    bodies = mailboxes.search.bodies(CustomerId("cus_1"), [EventId("evt_0"), EventId("evt_1")])
    assert list(bodies) == ["evt_1"]
