"""Law 1 for addresses, on a real database: any order and any batches end in what the pure rule says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cogento.events.addresses import EmailClaim, assign_addresses
from cogento.events.event import Event
from cogento.events.names import CustomerId
from cogento.store.store import Delivery, Store
from tests.support.builders import NOW
from tests.support.store_deliveries import FORGET, customer, deleted_customer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    import asyncpg

CUSTOMERS = range(5)
ADDRESSES = (
    *(None, "a@example.com", "b@example.com", "é@example.com"),
    *("A@Example.com", " a@example.com\t", "e\u0301@example.com", "É@EXAMPLE.COM"),
)

Life = list[str | None]  # the address after each change; the last customer's may end in deletion


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[Delivery]]:
    """Lives of five customers, shuffled and cut into batches."""
    lives = [draw(st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=3)) for _ in CUSTOMERS]
    events = [event for number, life in enumerate(lives) for event in _events(number, life)]
    events += [
        deleted_customer(number, event=f"gone_{number}", at=1000)
        for number in draw(st.sets(st.sampled_from(CUSTOMERS)))
    ]
    shuffled = draw(st.permutations(events))
    cuts = draw(st.lists(st.integers(0, len(shuffled)), max_size=4).map(sorted))
    return [list(shuffled[start:end]) for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=deliveries())
def test_any_order_and_any_batches_end_in_what_the_rule_says(
    loop: asyncio.Runner, store: Store, sql: asyncpg.Connection, batches: list[list[Delivery]]
) -> None:
    loop.run(_apply(store, sql, batches))
    rows = loop.run(sql.fetch("SELECT stripe_customer_id, email FROM users"))
    assert {row["stripe_customer_id"]: row["email"] for row in rows} == _expected(batches)


async def _apply(store: Store, sql: Any, batches: Sequence[Sequence[Delivery]]) -> None:
    await sql.execute(FORGET)
    for batch in batches:
        await store.apply(batch)


def _events(number: int, life: Life) -> list[Delivery]:
    created = NOW - 5000 + number % 3  # some are equally old
    return [
        customer(number, event=f"{number}_{step}", at=10 * step, email=email, created=created)
        for step, email in enumerate(life)
    ]


def _expected(batches: Sequence[Sequence[Delivery]]) -> dict[CustomerId, str]:
    """The last event of each customer by time, deletion being the last of all, judged by the pure rule."""
    events = sorted((d.event for batch in batches for d in batch), key=lambda event: event.created)
    last: dict[CustomerId, Any] = {e.customer_id: e.columns for e in events if isinstance(e, Event)}
    return assign_addresses(
        EmailClaim(id_, shown.stripe_email, shown.stripe_created_at, shown.deleted)
        for id_, shown in last.items()
    )
