"""Law 1 on a real database: any order, any batches, any repetition of the same events end in the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cogento.events.outcomes import PARKED
from cogento.store.store import Delivery, Store
from tests.support.store_deliveries import FORGET, customer, deleted_customer, new_customer, subscription

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    import asyncpg

Batches = list[list[Delivery]]

ROWS = """
SELECT stripe_customer_id AS id, email, stripe_email, name, metadata, deleted_at IS NULL AS lives,
       stripe_updated_at, last_webhook_event_id, unsure, evidence, NULL AS owner, NULL AS status
FROM users
UNION ALL
SELECT s.stripe_subscription_id, NULL, NULL, s.product_id, s.metadata, NULL,
       s.stripe_updated_at, s.last_webhook_event_id, s.unsure, s.evidence, u.stripe_customer_id, s.status
FROM subscriptions AS s
INNER JOIN users AS u ON u.user_id = s.user_id
ORDER BY id
"""

moments = st.sampled_from([0, 1, 2, 3, 20])
metadata = st.sampled_from([{}, {"bb": "1", "a": "2"}, {"a": "ß\u0000"}])


@st.composite
def histories(draw: st.DrawFn) -> list[Delivery]:
    """Events of three customers and two subscriptions that may change hands, many in one second."""
    customers = st.builds(
        customer,
        st.integers(1, 3),
        event=st.uuids(version=4).map(lambda id_: id_.hex),
        at=moments,
        name=st.sampled_from(["Ada", "Grace"]),
        email=st.sampled_from([None, "a@example.com", "b@example.com"]),
        metadata=metadata,
    )
    subscriptions = st.builds(
        subscription,
        st.integers(1, 2),
        event=st.uuids(version=4).map(lambda id_: id_.hex),
        at=moments,
        of=st.integers(1, 2),
        status=st.sampled_from(["incomplete", "active", "canceled"]),
        metadata=metadata,
    )
    made = [new_customer(number, event=f"made_{number}") for number in (1, 2)]
    gone = draw(st.lists(st.just(deleted_customer(2, event="gone", at=2)), max_size=1))
    return made + gone + draw(st.lists(customers, max_size=8)) + draw(st.lists(subscriptions, max_size=6))


@st.composite
def two_ways(draw: st.DrawFn) -> tuple[Batches, Batches]:
    """The same events delivered in two orders, some of them twice, in two sets of batches."""
    events = draw(histories())
    again = draw(st.lists(st.sampled_from(events), max_size=4))
    return _cut(draw, events), _cut(draw, events + again)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(ways=two_ways())
def test_the_rows_are_the_same_however_the_events_arrive(
    loop: asyncio.Runner, store: Store, sql: asyncpg.Connection, ways: tuple[Batches, Batches]
) -> None:
    one, other = (loop.run(_rows_after(store, sql, batches)) for batches in ways)
    assert one == other


def _cut(draw: st.DrawFn, events: Sequence[Delivery]) -> Batches:
    shuffled = draw(st.permutations(events))
    cuts = draw(st.lists(st.integers(0, len(shuffled)), max_size=6).map(sorted))
    return [list(shuffled[start:end]) for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]


async def _rows_after(store: Store, sql: Any, batches: Batches) -> list[tuple[object, ...]]:
    await sql.execute(FORGET)
    parked = [event for batch in batches for event in await _parked(store, batch)]
    await store.apply(parked)
    return [tuple(row) for row in await sql.fetch(ROWS)]


async def _parked(store: Store, batch: Sequence[Delivery]) -> list[Delivery]:
    outcomes = (await store.apply(batch)).results
    return [delivery for delivery in batch if outcomes[delivery.event.id] == PARKED]
