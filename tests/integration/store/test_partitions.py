"""The ledger's days."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

from cogento.store.store import Store
from tests.support.store_deliveries import new_customer

DAY = 86_400


async def test_today_and_a_week_ahead_have_a_partition_each(sql: Any) -> None:
    today = await sql.fetchval("SELECT (now() AT TIME ZONE 'UTC')::DATE")
    assert await _days(sql) == [f"{today + dt.timedelta(ahead):%Y%m%d}" for ahead in range(8)] + ["default"]


async def test_an_event_of_today_lies_in_todays_partition(store: Store, sql: Any) -> None:
    now = await sql.fetchval("SELECT extract(EPOCH FROM now())::BIGINT")
    await store.apply([new_customer(event="today", at=now - new_customer(event="x").event.created)])
    assert await sql.fetchval(
        "SELECT tableoid::REGCLASS::TEXT = 'webhook_events_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD') FROM webhook_events"
    )


async def test_tidying_twice_changes_nothing(store: Store) -> None:
    kept = await store.run_maintenance()
    assert (kept.made, kept.dropped) == ((), ())


async def test_days_past_retention_are_dropped_and_the_others_kept(store: Store, sql: Any) -> None:
    await sql.execute(await _statement_for_day(sql, age=36))
    await sql.execute(await _statement_for_day(sql, age=35))
    kept = await store.run_maintenance()
    assert len(kept.dropped) == 1
    assert len(await _days(sql)) == 10


async def test_of_two_at_once_each_day_is_made_by_one(store: Store, another_store: Store, sql: Any) -> None:
    await sql.execute(await _drop_all_days(sql))
    both = await asyncio.gather(store.run_maintenance(), another_store.run_maintenance())
    made = [day for kept in both for day in kept.made]
    assert len(made) == len(set(made)) == 8


async def test_events_of_a_day_without_partition_move_into_it_when_it_is_made(store: Store, sql: Any) -> None:
    await sql.execute(await _drop_all_days(sql))
    now = await sql.fetchval("SELECT extract(EPOCH FROM now())::BIGINT")
    event = new_customer(event="early", at=now - new_customer(event="x").event.created)
    await store.apply([event])
    await store.run_maintenance()
    assert await sql.fetchval("SELECT count(*) FROM webhook_events_default") == 0
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 1


async def test_old_events_of_the_default_partition_are_forgotten(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="old", at=-400 * DAY)])
    await sql.execute("UPDATE webhook_events_default SET settled_at = settled_at - INTERVAL '40 days'")
    await store.run_maintenance()
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 0


async def test_an_old_event_that_was_settled_just_now_is_remembered(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="old", at=-400 * DAY)])
    await store.run_maintenance()
    assert await sql.fetchval("SELECT count(*) FROM webhook_events_default") == 1


async def test_a_plan_made_before_a_day_was_dropped_still_serves(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="a")])
    await sql.execute(await _statement_for_day(sql, age=40))
    await store.run_maintenance()
    result = await store.apply([new_customer(2, event="b")])
    assert result.customers == {"cus_2"}


async def _days(sql: Any) -> list[str]:
    rows = await sql.fetch(
        "SELECT inhrelid::REGCLASS::TEXT AS name FROM pg_inherits WHERE inhparent = 'webhook_events'::REGCLASS ORDER BY 1"
    )
    return [row["name"].removeprefix("webhook_events_") for row in rows]


async def _statement_for_day(sql: Any, *, age: int) -> str:
    today = await sql.fetchval("SELECT (now() AT TIME ZONE 'UTC')::DATE")
    day = today - dt.timedelta(age)
    return (
        f"CREATE TABLE webhook_events_{day:%Y%m%d} PARTITION OF webhook_events "
        f"FOR VALUES FROM ('{day} 00:00+00') TO ('{day + dt.timedelta(1)} 00:00+00')"
    )


async def _drop_all_days(sql: Any) -> str:
    days = [day for day in await _days(sql) if day != "default"]
    return "; ".join(f"DROP TABLE webhook_events_{day}" for day in days)
