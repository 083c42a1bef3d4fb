"""Whole objects beside their rows, where KEEP_OBJECTS asks for them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cogento.events.event import Event
from cogento.store.store import Store
from tests.support.builders import NOW
from tests.support.store_deliveries import customer, deleted_customer, new_customer, subscription

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

KEPT = """
SELECT o.stripe_id, o.event_id, o.object, u.stripe_customer_id
FROM stripe_objects AS o
JOIN users AS u USING (user_id)
ORDER BY o.stripe_id
"""


@pytest.fixture
def keeping(loop: asyncio.Runner, database_url: str) -> Iterator[Store]:
    """A store that keeps whole objects."""
    opening = Store.open(database_url, pool_size=2, application_name="test", keep_objects=True)
    opened = loop.run(opening)
    yield opened
    loop.run(opened.close())


async def kept(sql: Any) -> dict[str, dict[str, Any]]:
    return {row["stripe_id"]: json.loads(row["object"]) for row in await sql.fetch(KEPT)}


async def test_nothing_is_kept_unless_that_is_asked_for(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="c"), subscription(event="s")])
    assert await kept(sql) == {}


async def test_the_whole_object_of_the_event_that_the_row_shows_is_kept(keeping: Store, sql: Any) -> None:
    await keeping.apply(
        [
            new_customer(event="c", tax_exempt="reverse"),
            subscription(event="2", at=20, days_until_due=30),
            subscription(event="1", days_until_due=14),
        ]
    )
    (of_customer, of_subscription) = await sql.fetch(KEPT)
    assert (of_customer["event_id"], json.loads(of_customer["object"])["tax_exempt"]) == ("evt_c", "reverse")
    assert (of_subscription["event_id"], of_subscription["stripe_customer_id"]) == ("evt_2", "cus_1")
    assert json.loads(of_subscription["object"])["days_until_due"] == 30


async def test_an_older_event_replaces_no_newer_object(keeping: Store, sql: Any) -> None:
    await keeping.apply([new_customer(event="c"), subscription(event="2", at=20, days_until_due=30)])
    await keeping.apply([subscription(event="1", days_until_due=14)])
    await keeping.apply([subscription(event="3", at=40, days_until_due=60)])
    await keeping.apply([subscription(event="0", at=30, days_until_due=14)])
    assert (await kept(sql))["sub_1"]["days_until_due"] == 60


async def test_a_row_that_goes_on_without_keeping_names_another_event_than_the_object(
    keeping: Store, store: Store, sql: Any
) -> None:
    await keeping.apply([new_customer(event="c"), subscription(event="1")])
    await store.apply([subscription(event="2", at=20, status="past_due")])
    row = await sql.fetchrow(
        "SELECT s.last_webhook_event_id, o.event_id FROM subscriptions AS s "
        "JOIN stripe_objects AS o ON o.stripe_id = s.stripe_subscription_id"
    )
    assert tuple(row) == ("evt_2", "evt_1")


async def test_a_deletion_erases_what_was_kept_also_where_nothing_is_kept_any_more(
    keeping: Store, store: Store, sql: Any
) -> None:
    await keeping.apply([new_customer(event="c"), subscription(event="s"), new_customer(2, event="c2")])
    await store.apply([deleted_customer(event="d", at=20)])
    assert set(await kept(sql)) == {"cus_2"}


async def test_of_somebody_who_is_deleted_nothing_is_kept_later(keeping: Store, sql: Any) -> None:
    await keeping.apply([new_customer(event="c")])
    await keeping.apply([deleted_customer(event="d", at=20), subscription(event="s", at=21)])
    await keeping.apply([subscription(event="e", at=40, status="canceled")])
    assert await kept(sql) == {}


async def test_who_is_forgotten_is_not_found_in_any_object(keeping: Store, sql: Any) -> None:
    await keeping.apply([new_customer(event="c", name="Ada"), subscription(event="s", description="Ada")])
    deletion = deleted_customer(event="f", at=50).event
    assert isinstance(deletion, Event)
    await keeping.personal_data.erase(deletion, who="me", names=())
    await keeping.apply([customer(event="late", at=60), subscription(event="s2", at=60)])
    assert await kept(sql) == {}


async def test_forgetting_erases_what_a_release_that_keeps_no_objects_left_of_a_deleted_customer(
    keeping: Store, sql: Any
) -> None:
    await keeping.apply([new_customer(event="c"), subscription(event="s")])
    gone = deleted_customer(event="d", at=20)
    left = await sql.fetch("SELECT * FROM stripe_objects")
    await keeping.apply([gone])
    await sql.copy_records_to_table("stripe_objects", records=left, schema_name="cogento_internal")
    assert isinstance(gone.event, Event)
    await keeping.personal_data.erase(gone.event, who="me", names=())
    assert await sql.fetchval("SELECT count(*) FROM stripe_objects") == 0


async def test_a_number_that_no_column_can_hold_costs_the_object_and_not_the_event(
    keeping: Store, sql: Any
) -> None:
    odd = subscription(event="s")
    infinite = odd.body.replace(b'"billing_cycle_anchor": ', b'"odd": 1e999, "billing_cycle_anchor": ')
    await keeping.apply([new_customer(event="c"), type(odd)(odd.event, NOW, 0, odd.source, infinite)])
    assert set(await kept(sql)) == {"cus_1"}
    assert await sql.fetchval("SELECT status FROM subscriptions") == "active"
