"""Copies of events that the ledger has forgotten: the rows' own evidence refuses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cogento.events.outcomes import Outcome, Reason, decided
from tests.support.store_deliveries import customer, deleted_customer, new_customer, subscription

if TYPE_CHECKING:
    from cogento.store.ledger import Delivery
    from cogento.store.store import Store

DAY = 86_400
LONG_AGO = -400 * DAY
ROWS = """
SELECT to_jsonb(u) - 'synced_at' AS state FROM users AS u
UNION ALL
SELECT to_jsonb(s) - 'synced_at' FROM subscriptions AS s
ORDER BY 1
"""


async def forget_everything(store: Store, sql: Any) -> None:
    """Let the ledger become as old as it is kept, and be pruned."""
    await sql.execute("UPDATE webhook_events SET settled_at = settled_at - INTERVAL '36 days'")
    await store.run_maintenance()
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 0


def life() -> list[Delivery]:
    """A customer and its subscription, long ago: made, changed, and ended."""
    return [
        new_customer(1, event="made", at=LONG_AGO, name="First"),
        customer(1, event="renamed", at=LONG_AGO + DAY, name="Last"),
        subscription(1, event="sub_made", at=LONG_AGO, type_="customer.subscription.created"),
        subscription(1, event="sub_ended", at=LONG_AGO + 3600, type_="customer.subscription.deleted"),
    ]


@pytest.mark.parametrize("event", ["made", "renamed", "sub_made", "sub_ended"])
async def test_f61_a_copy_that_comes_after_its_ledger_row_is_gone_changes_nothing(
    store: Store, sql: Any, event: str
) -> None:
    await store.apply(life())
    shown = [row["state"] for row in await sql.fetch(ROWS)]
    await forget_everything(store, sql)
    (copy,) = (delivery for delivery in life() if delivery.event.id == f"evt_{event}")
    result = await store.apply([copy])
    assert [row["state"] for row in await sql.fetch(ROWS)] == shown
    assert not any(one.outcome is Outcome.APPLIED for one in result.results.values())


async def test_f61_how_forgotten_copies_end(store: Store, sql: Any) -> None:
    await store.apply(life())
    await forget_everything(store, sql)
    result = await store.apply(life())
    assert result.results == {
        "evt_made": decided(Reason.DUPLICATE),  # a row remembers some ids of its own
        "evt_renamed": decided(Reason.DUPLICATE),
        "evt_sub_made": decided(Reason.AFTER_DELETE),
        "evt_sub_ended": decided(Reason.DUPLICATE),
    }


async def test_f61_a_forgotten_event_cannot_bring_a_deleted_customer_back(store: Store, sql: Any) -> None:
    await store.apply([*life(), deleted_customer(1, event="deleted", at=LONG_AGO + 2 * DAY)])
    await forget_everything(store, sql)
    result = await store.apply([customer(1, event="renamed", at=LONG_AGO + DAY, name="Last")])
    assert result.results == {"evt_renamed": decided(Reason.AFTER_DELETE)}
    assert await sql.fetchval("SELECT deleted_at IS NOT NULL AND name IS NULL FROM users")


async def test_f61_a_copy_within_the_retention_is_a_duplicate(store: Store, sql: Any) -> None:
    await store.apply(life())
    await sql.execute("UPDATE webhook_events SET settled_at = settled_at - INTERVAL '34 days'")
    await store.run_maintenance()
    result = await store.apply(life())
    assert set(result.results.values()) == {decided(Reason.DUPLICATE)}
