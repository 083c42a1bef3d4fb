"""What the ledger says of each event."""

from __future__ import annotations

from typing import Any

import pytest

from cogento.events.outcomes import Reason, Source, decided
from cogento.store.store import Store
from tests.support import builders
from tests.support.builders import NOW
from tests.support.store_deliveries import customer, delivery, new_customer, subscription
from tests.support.store_letters import letter


async def test_an_event_is_one_narrow_row(store: Store, sql: Any) -> None:
    object_ = builders.subscription("sub_1", customer="cus_1")
    arrived = delivery("customer.subscription.created", object_, id_="evt_s", attempts=3, source=Source.SWEEP)
    await store.apply([new_customer(event="c"), arrived])
    row = await sql.fetchrow(
        """
        SELECT event_type, customer_id, object_id, outcome, reason, superseded_by, attempts, source,
               extract(EPOCH FROM event_created_at)::BIGINT AS created,
               (extract(EPOCH FROM received_at) * 1000)::BIGINT AS received_ms,
               settled_at = now() OR settled_at > now() - INTERVAL '1 minute' AS is_recent
        FROM webhook_events WHERE event_id = 'evt_s'
        """
    )
    assert dict(row) == {
        "event_type": "customer.subscription.created",
        "customer_id": "cus_1",
        "object_id": "sub_1",
        "outcome": "applied",
        "reason": "first",
        "superseded_by": None,
        "attempts": 3,
        "source": "sweep",
        "created": NOW,
        "received_ms": NOW * 1000 + 250,
        "is_recent": True,
    }


async def test_every_final_outcome_has_a_row_with_its_reason(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="made"), customer(event="one", at=10, name="B")])
    await store.apply([customer(event="late", at=5, name="A")])
    await store.apply([customer(event="same", at=20, name="B"), subscription(event="parked", of=2)])
    rows = await sql.fetch("SELECT event_id, outcome, reason, superseded_by FROM webhook_events")
    assert {row["event_id"]: tuple(row)[1:] for row in rows} == {
        "evt_made": ("superseded", "superseded", "evt_one"),
        "evt_one": ("applied", "first", None),
        "evt_late": ("stale", "stale", None),
        "evt_same": ("unchanged", "unchanged", None),
    }


async def test_a_status_change_is_kept_with_its_event_also_with_one_that_was_dead(
    store: Store, sql: Any
) -> None:
    overdue = builders.subscription("sub_1", customer="cus_1", status="past_due")
    paid = builders.subscription("sub_1", customer="cus_1", status="active")
    changed = delivery("customer.subscription.updated", paid, before=overdue, id_="evt_paid", created=NOW + 1)
    await store.insert_dead_letters([letter("paid", created=NOW + 1)])
    dead = await sql.fetchrow("SELECT outcome, status_before, status_after FROM webhook_events")
    await store.apply([new_customer(event="c"), changed])
    rows = await sql.fetch("SELECT event_id, outcome, status_before, status_after FROM webhook_events")
    assert tuple(dead) == ("dead", None, None)
    assert sorted(map(tuple, rows)) == [
        ("evt_c", "applied", None, None),
        ("evt_paid", "applied", "past_due", "active"),
    ]


async def test_an_event_that_fails_leaves_neither_row_nor_ledger(store: Store, sql: Any) -> None:
    await sql.execute("ALTER TABLE users ADD CONSTRAINT no_evil CHECK (name <> 'Evil')")
    with pytest.raises(Exception, match="no_evil"):
        await store.apply([customer(1, event="good"), customer(2, event="bad", name="Evil")])
    assert await sql.fetchval("SELECT count(*) FROM users") == 0
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 0


async def test_outcomes_are_counted_for_ever(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="made"), customer(event="one", at=10, name="B")])
    await store.apply([customer(event="late", at=5, name="A")])
    await store.insert_dead_letters([letter("dead")])
    await sql.execute("TRUNCATE webhook_events")
    totals = await sql.fetchrow(
        "SELECT sum(applied)::INT, sum(superseded)::INT, sum(stale)::INT, sum(dead)::INT FROM outcome_totals"
    )
    assert tuple(totals) == (1, 1, 1, 1)
    assert (await store.history.totals()).applied == 1


async def test_a_dead_event_may_be_applied_after_all(store: Store, sql: Any) -> None:
    await store.insert_dead_letters([letter("1")])
    result = await store.apply([customer(event="1", name="Ada"), customer(2, event="2")])
    assert result.results == {"evt_1": decided(Reason.FIRST), "evt_2": decided(Reason.FIRST)}
    rows = await sql.fetch("SELECT event_id, outcome FROM webhook_events ORDER BY event_id")
    assert [tuple(row) for row in rows] == [("evt_1", "applied"), ("evt_2", "applied")]
    row = await sql.fetchrow("SELECT status, resolution, resolved_by FROM dead_letters")
    assert tuple(row) == ("resolved", "applied", "retry")


async def test_a_dead_event_that_is_too_old_by_now_resolves_as_stale(store: Store, sql: Any) -> None:
    await store.insert_dead_letters([letter("1")])
    await store.apply([customer(event="2", at=10, name="New")])
    await store.apply([customer(event="1", name="Old")])
    assert await sql.fetchval("SELECT name FROM users") == "New"
    assert await sql.fetchval("SELECT resolution FROM dead_letters") == "stale"


async def test_a_dead_subscription_whose_customer_is_still_missing_stays_dead(store: Store, sql: Any) -> None:
    await store.insert_dead_letters(
        [letter("1", event_type="customer.subscription.updated", object_id="sub_1")]
    )
    await store.apply([subscription(event="1")])
    assert await sql.fetchval("SELECT outcome FROM webhook_events") == "dead"
    assert await sql.fetchval("SELECT status FROM dead_letters") == "open"


async def test_a_letter_that_outlived_its_ledger_row_is_resolved_too(store: Store, sql: Any) -> None:
    await store.insert_dead_letters([letter("1")])
    await sql.execute("TRUNCATE webhook_events")
    await store.apply([customer(event="1")])
    assert await sql.fetchval("SELECT outcome FROM webhook_events") == "applied"
    assert await sql.fetchval("SELECT status FROM dead_letters") == "resolved"
