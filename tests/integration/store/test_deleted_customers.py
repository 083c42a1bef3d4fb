"""Subscriptions of deleted customers: Stripe cancels them at once, so that each is in doubt until its own end comes."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cogento.events.names import EventId
from cogento.events.outcomes import PARKED, Source
from cogento.store.store import Delivery, Store
from tests.support import builders
from tests.support.builders import NOW
from tests.support.store_deliveries import (
    FORGET,
    customer,
    deleted_customer,
    delivery,
    new_customer,
    subscription,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

LIVE = ["incomplete", "trialing", "active", "past_due", "unpaid", "paused", "hibernating"]
ENDED = ["canceled", "incomplete_expired"]

ROWS = """
SELECT s.stripe_subscription_id AS id, s.status, s.unsure, s.last_webhook_event_id AS shown, s.evidence,
       u.stripe_customer_id AS customer, u.deleted_at IS NOT NULL AS gone
FROM subscriptions AS s
INNER JOIN users AS u USING (user_id)
ORDER BY id
"""


def ended(number: int = 1, *, event: str, at: int = 0, of: int = 1) -> Delivery:
    """The end of a subscription."""
    return subscription(
        number, event=event, at=at, of=of, status="canceled", type_="customer.subscription.deleted"
    )


def fetched(number: int = 1, *, event: str, at: int, deleted: bool = False) -> Delivery:
    """What Stripe answered when it was asked for a customer."""
    object_ = builders.deleted_customer(f"cus_{number}") if deleted else builders.customer(f"cus_{number}")
    return delivery("customer.fetched", object_, id_=f"evt_{event}", created=NOW + at, source=Source.FETCH)


async def look(sql: Any, number: int = 1) -> tuple[str, bool]:
    """Read a subscription's status and whether it is in doubt."""
    row = await sql.fetchrow(
        "SELECT status, unsure FROM subscriptions WHERE stripe_subscription_id = $1", f"sub_{number}"
    )
    return row["status"], row["unsure"]


@pytest.mark.parametrize("status", LIVE)
async def test_t3_whatever_lives_of_a_deleted_customer_is_in_doubt(
    store: Store, sql: Any, status: str
) -> None:
    await store.apply([new_customer(event="c"), subscription(event="s", at=1, status=status)])
    result = await store.apply([deleted_customer(event="gone", at=100)])
    assert await look(sql) == (status, True)
    assert result.unsure == {"sub_1"}


@pytest.mark.parametrize("status", ENDED)
async def test_t3_what_had_ended_before_its_customer_was_deleted_stays_sure(
    store: Store, sql: Any, status: str
) -> None:
    await store.apply([new_customer(event="c"), subscription(event="s", at=1, status=status)])
    result = await store.apply([deleted_customer(event="gone", at=100)])
    assert await look(sql) == (status, False)
    assert result.unsure == frozenset()


async def test_t3_the_end_that_comes_at_last_is_shown_and_sure(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="c"), subscription(event="s", at=1)])
    await store.apply([deleted_customer(event="gone", at=100)])
    await store.apply([ended(event="end", at=100)])
    assert await look(sql) == ("canceled", False)


async def test_t3_every_order_and_batching_of_life_deletion_and_end_leaves_the_same_rows(
    store: Store, sql: Any
) -> None:
    events = [
        new_customer(event="c"),
        subscription(1, event="s1", at=1),
        subscription(2, event="s2", at=1),
        ended(2, event="end", at=100),
        deleted_customer(event="gone", at=100),
    ]
    orders = list(itertools.permutations(events))
    found = {await rows_after(store, sql, cut(order, every)) for order in orders for every in (1, 3)}
    assert len(found) == 1
    assert [(row[1], row[2]) for row in found.pop()] == [("active", True), ("canceled", False)]


@pytest.mark.parametrize("again", ["late", "fresh"])
async def test_t3_a_live_event_after_the_deletion_leaves_the_row_in_doubt(
    store: Store, sql: Any, again: str
) -> None:
    await store.apply([new_customer(event="c"), subscription(event="s", at=1)])
    await store.apply([deleted_customer(event="gone", at=100)])
    at = {"late": 50, "fresh": 150}[again]
    result = await store.apply([subscription(event="again", at=at, status="past_due")])
    assert await look(sql) == ("past_due", True)
    assert result.unsure == {"sub_1"}


async def test_t3_a_subscription_first_seen_after_the_deletion_is_in_doubt(store: Store, sql: Any) -> None:
    await store.apply([deleted_customer(event="gone", at=100)])
    await store.apply([subscription(event="s", at=1)])
    assert await look(sql) == ("active", True)


async def test_t3_an_answer_that_says_deleted_puts_them_in_doubt_too(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="c"), subscription(event="s", at=1)])
    await store.apply([fetched(event="asked", at=200, deleted=True)])
    assert await look(sql) == ("active", True)


async def test_t3_nobodys_else_are_touched(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="c1"), new_customer(2, event="c2")])
    await store.apply([subscription(1, event="s1", of=1), subscription(2, event="s2", of=2)])
    await store.apply([deleted_customer(1, event="gone", at=100)])
    assert await look(sql, 2) == ("active", False)


async def test_t3_one_that_moves_to_a_deleted_customer_is_in_doubt_and_one_that_leaves_it_is_sure(
    store: Store, sql: Any
) -> None:
    await store.apply([new_customer(1, event="c1"), new_customer(2, event="c2")])
    await store.apply([subscription(1, event="s1", of=1), subscription(2, event="s2", of=2)])
    await store.apply([deleted_customer(1, event="gone", at=100)])
    await store.apply([subscription(1, event="s3", at=10, of=2), subscription(2, event="s4", at=10, of=1)])
    assert [await look(sql, number) for number in (1, 2)] == [("active", False), ("active", True)]


async def test_t3_one_whose_event_is_parked_in_the_batch_of_the_deletion_is_in_doubt(
    store: Store, sql: Any
) -> None:
    await store.apply([new_customer(event="c"), subscription(event="s", at=1)])
    result = await store.apply(
        [deleted_customer(event="gone", at=100), subscription(event="moves", at=50, of=9)]
    )
    assert result.results[EventId("evt_moves")] == PARKED
    assert await look(sql) == ("active", True)


async def test_t3_the_doubt_is_found_by_whoever_asks_stripe(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="c"), subscription(event="s", at=1)])
    await store.apply([deleted_customer(event="gone", at=100)])
    await sql.execute("UPDATE subscriptions SET synced_at = now() - INTERVAL '1 minute'")
    (doubt,) = await store.unsure_rows.due(quiet_seconds=3, besides=[], limit=10)
    assert (doubt.kind.name, doubt.object_id, doubt.customer_id) == ("subscription", "sub_1", "cus_1")


async def test_t3_it_is_asked_for_only_after_its_end_had_time_to_come(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="c"), subscription(event="s", at=1)])
    await sql.execute("UPDATE subscriptions SET synced_at = now() - INTERVAL '1 minute'")
    await store.apply([deleted_customer(event="gone", at=100)])
    assert await store.unsure_rows.due(quiet_seconds=3, besides=[], limit=10) == []


async def test_t3_a_deletion_and_a_subscription_written_at_once_by_two_workers_end_in_doubt(
    store: Store, another_store: Store, sql: Any
) -> None:
    customers = range(40)
    await store.apply([new_customer(n, event=f"c{n}") for n in customers])
    await asyncio.gather(
        *(store.apply([deleted_customer(n, event=f"gone{n}", at=100)]) for n in customers),
        *(another_store.apply([subscription(n, event=f"s{n}", of=n)]) for n in customers),
    )
    assert await sql.fetchval("SELECT count(*) FROM subscriptions WHERE unsure") == len(customers)


moments = st.sampled_from([0, 1, 2, 5, 60])


@st.composite
def worlds(draw: st.DrawFn) -> list[Delivery]:
    """Two customers, either of whom may be deleted, and three subscriptions that may move; ends may be lost."""
    names = (f"x{n}" for n in itertools.count())
    told = [new_customer(n, event=f"made{n}") for n in (1, 2)]
    gone = draw(st.lists(st.sampled_from([1, 2]), unique=True))
    told += [deleted_customer(n, event=f"gone{n}", at=draw(moments)) for n in gone]
    told += [
        subscription(
            draw(st.integers(1, 3)),
            event=next(names),
            at=draw(moments),
            of=draw(st.integers(1, 2)),
            status=draw(st.sampled_from(["incomplete", "active", "past_due", "canceled"])),
        )
        for _ in range(draw(st.integers(1, 7)))
    ]
    told += [
        ended(n, event=f"end{n}", at=draw(moments), of=draw(st.integers(1, 2)))
        for n in draw(st.lists(st.integers(1, 3), unique=True))
    ]
    return told + [
        customer(draw(st.integers(1, 2)), event=next(names), at=draw(moments), name="Late")
        for _ in range(draw(st.integers(0, 2)))
    ]


@st.composite
def ways(draw: st.DrawFn) -> tuple[list[Sequence[Delivery]], list[Sequence[Delivery]]]:
    """One world delivered twice: other orders, other batches, and some of it again, as after a crash."""
    events = draw(worlds())
    again = draw(st.lists(st.sampled_from(events), max_size=4))
    one, other = draw(st.permutations(events)), draw(st.permutations([*events, *again]))
    return cut(one, draw(st.integers(1, 5))), cut(other, draw(st.integers(1, 9)))


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(ways=ways())
def test_t3_in_whatever_order_a_world_is_told_no_row_of_a_deleted_customer_is_sure_to_live(
    loop: asyncio.Runner,
    store: Store,
    sql: asyncpg.Connection,
    ways: tuple[list[Sequence[Delivery]], list[Sequence[Delivery]]],
) -> None:
    one, other = (loop.run(rows_after(store, sql, batches)) for batches in ways)
    assert one == other
    assert [row for row in one if row[6] and row[1] not in ENDED and not row[2]] == []


def cut(events: Sequence[Delivery], every: int) -> list[Sequence[Delivery]]:
    """Make batches of so many."""
    return [events[start : start + every] for start in range(0, len(events), every)]


async def rows_after(
    store: Store, sql: Any, batches: Sequence[Sequence[Delivery]]
) -> tuple[tuple[object, ...], ...]:
    """Begin anew, deliver, then what was parked; give the subscriptions' rows."""
    await sql.execute(FORGET)
    parked = []
    for batch in batches:
        outcomes = (await store.apply(batch)).results
        parked += [one for one in batch if outcomes[one.event.id] == PARKED]
    await store.apply(parked)
    return tuple(tuple(row) for row in await sql.fetch(ROWS))
