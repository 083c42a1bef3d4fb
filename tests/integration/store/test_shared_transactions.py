"""Batches of several callers at once are applied together, and no caller fails by another's events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cogento.store.shared_transactions import SharedTransactions
from tests.support.store_deliveries import new_customer

if TYPE_CHECKING:
    import pytest

    from cogento.store.store import Store

TRANSACTIONS = "SELECT array_agg(event_id ORDER BY event_id) AS events FROM webhook_events GROUP BY settled_at ORDER BY 1"
"""What was written at the same instant was written by the same transaction."""


async def test_what_comes_while_two_transactions_are_under_way_shares_the_next(
    store: Store, sql: Any
) -> None:
    shared = SharedTransactions(store)

    await asyncio.gather(*(shared.apply([new_customer(n, event=str(n))]) for n in range(5)))

    assert await transactions(sql) == [["evt_0"], ["evt_1"], ["evt_2", "evt_3", "evt_4"]]


async def test_each_caller_learns_what_became_of_its_events(store: Store) -> None:
    shared = SharedTransactions(store)

    results = await asyncio.gather(*(shared.apply([new_customer(n, event=str(n))]) for n in range(5)))

    assert all(f"evt_{n}" in result.results for n, result in enumerate(results))


async def test_a_transaction_that_is_full_takes_no_further_caller(
    store: Store, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.store.shared_transactions.EVENTS_TOGETHER", 2)
    shared = SharedTransactions(store)

    await asyncio.gather(*(shared.apply([new_customer(n, event=str(n))]) for n in range(6)))

    assert await transactions(sql) == [["evt_0"], ["evt_1"], ["evt_2", "evt_3"], ["evt_4", "evt_5"]]


async def test_what_postgres_refuses_of_one_caller_is_written_of_the_others(store: Store, sql: Any) -> None:
    await sql.execute("ALTER TABLE users ADD CONSTRAINT unwanted CHECK (name <> 'unwanted')")
    names = ("a", "b", "c", "unwanted", "e")
    shared = SharedTransactions(store)

    ended = await asyncio.gather(
        *(shared.apply([new_customer(n, event=str(n), name=name)]) for n, name in enumerate(names)),
        return_exceptions=True,
    )

    assert [isinstance(one, Exception) for one in ended] == [False, False, False, True, False]
    assert await sql.fetchval("SELECT array_agg(name ORDER BY name) FROM users") == ["a", "b", "c", "e"]


async def transactions(sql: Any) -> list[list[str]]:
    return [row["events"] for row in await sql.fetch(TRANSACTIONS)]
