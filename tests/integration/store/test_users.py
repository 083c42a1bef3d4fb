"""What the events of customers leave in `users`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cogento.events.names import EventId
from cogento.events.outcomes import Reason, decided
from cogento.store.store import Store
from tests.support.builders import NOW
from tests.support.store_deliveries import customer, deleted_customer, new_customer, subscription

ADDRESS = {
    "city": "Bern",
    "country": "CH",
    "line1": "Kramgasse 49",
    "line2": None,
    "postal_code": "3011",
    "state": None,
}


async def test_a_customer_becomes_a_row(store: Store, sql: Any) -> None:
    arrived = new_customer(event="1", name="Ada", phone="+41 31", address=ADDRESS, metadata={"plan": "gold"})
    result = await store.apply([arrived])
    row = await _user(sql)
    assert result.results == {"evt_1": decided(Reason.FIRST)}
    assert result.customers == {"cus_1"}
    assert (row["email"], row["stripe_email"]) == ("cus_1@example.com", "cus_1@example.com")
    assert (row["name"], row["phone"]) == ("Ada", "+41 31")
    assert json.loads(row["address"]) == ADDRESS
    assert json.loads(row["metadata"]) == {"plan": "gold"}
    assert (row["created"], row["updated"]) == (NOW - 1000, NOW)
    assert (row["last_webhook_event_id"], row["deleted_at"], row["unsure"]) == ("evt_1", None, False)


async def test_the_row_says_when_it_was_synced_by_the_servers_clock(store: Store, sql: Any) -> None:
    before = await sql.fetchval("SELECT clock_timestamp()")
    await store.apply([new_customer(event="1")])
    first = (await _user(sql))["synced_at"]
    await store.apply([customer(event="2", at=10)])
    assert before < first < (await _user(sql))["synced_at"]


async def test_a_later_event_changes_the_row_and_keeps_its_id(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="1", name="Ada")])
    before = await _user(sql)
    result = await store.apply([customer(event="2", at=10, name="Grace", metadata={"a": "b"})])
    after = await _user(sql)
    assert result.results == {"evt_2": decided(Reason.NEWER)}
    assert after["user_id"] == before["user_id"]
    assert (after["name"], after["metadata"]) == ("Grace", '{"a": "b"}')
    assert (after["updated"], after["last_webhook_event_id"]) == (NOW + 10, "evt_2")


async def test_several_events_of_one_customer_in_a_batch_write_its_last_state_once(
    store: Store, sql: Any
) -> None:
    result = await store.apply(
        [
            customer(event="3", at=20, name="Third"),
            customer(event="1", name="First"),
            customer(event="2", at=10, name="Second"),
        ]
    )
    assert (await _user(sql))["name"] == "Third"
    assert result.results == {
        "evt_1": decided(Reason.SUPERSEDED, EventId("evt_3")),
        "evt_2": decided(Reason.SUPERSEDED, EventId("evt_3")),
        "evt_3": decided(Reason.FIRST),
    }


async def test_an_older_event_leaves_the_row_alone(store: Store, sql: Any) -> None:
    await store.apply([customer(event="new", at=10, name="New")])
    result = await store.apply([customer(event="old", name="Old")])
    assert (await _user(sql))["name"] == "New"
    assert result.results == {"evt_old": decided(Reason.STALE)}


async def test_an_event_that_shows_the_same_is_unchanged(store: Store, sql: Any) -> None:
    await store.apply([customer(event="1", address=ADDRESS, metadata={"b": "1", "aa": "2"})])
    result = await store.apply([customer(event="2", at=10, address=ADDRESS, metadata={"aa": "2", "b": "1"})])
    assert result.results == {"evt_2": decided(Reason.UNCHANGED)}


async def test_an_event_counts_once(store: Store, sql: Any) -> None:
    await store.apply([customer(event="1", name="Ada")])
    before = await _user(sql)
    result = await store.apply([customer(event="1", name="Ada")])
    assert result.results == {"evt_1": decided(Reason.DUPLICATE)}
    assert result.customers == {"cus_1"}
    assert await _user(sql) == before
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 1


async def test_an_event_that_comes_twice_in_one_batch_counts_once(store: Store, sql: Any) -> None:
    result = await store.apply([customer(event="1"), customer(event="1")])
    assert result.results == {"evt_1": decided(Reason.FIRST)}
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 1


async def test_an_event_the_ledger_has_forgotten_is_still_guarded_by_the_row(store: Store, sql: Any) -> None:
    await store.apply([customer(event="1", name="Old"), customer(event="2", at=10, name="New")])
    await sql.execute("TRUNCATE webhook_events")
    result = await store.apply([customer(event="1", name="Old"), customer(event="2", at=10, name="New")])
    assert result.results == {"evt_1": decided(Reason.DUPLICATE), "evt_2": decided(Reason.DUPLICATE)}
    assert (await _user(sql))["name"] == "New"


async def test_many_customers_are_one_batch(store: Store, sql: Any) -> None:
    result = await store.apply([customer(n, event=str(n)) for n in range(300)])
    assert len(result.customers) == 300
    assert await sql.fetchval("SELECT count(*) FROM users") == 300


async def test_an_empty_batch_does_nothing(store: Store) -> None:
    result = await store.apply([])
    assert (result.results, result.customers) == ({}, frozenset())


async def test_an_unknown_event_of_the_row_is_news_even_if_no_column_changes(store: Store, sql: Any) -> None:
    await store.apply([customer(event="1")])
    await store.apply([customer(event="2", at=10)])
    assert (await _user(sql))["last_webhook_event_id"] == "evt_2"


async def test_a_row_that_we_did_not_make_is_taken_over(store: Store, sql: Any) -> None:
    await sql.execute(
        "INSERT INTO users (email, stripe_customer_id, name) VALUES ('x@y.z', 'cus_1', 'By hand')"
    )
    await store.apply([customer(event="1", name="Ada", email="ada@example.com")])
    row = await _user(sql)
    assert (row["name"], row["email"]) == ("Ada", "ada@example.com")


async def test_deletion_keeps_the_row_and_erases_the_person(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="1", phone="1", address=ADDRESS, metadata={"a": "b"})])
    result = await store.apply([deleted_customer(event="2", at=10)])
    row = await _user(sql)
    assert result.results == {"evt_2": decided(Reason.NEWER)}
    assert row["deleted"] == NOW + 10
    assert row["email"] == "cus_1@placeholder.invalid"
    assert (row["name"], row["phone"], row["address"], row["stripe_email"]) == (None, None, None, None)
    assert row["metadata"] == "{}"
    assert b"Ada" not in row["evidence"]
    assert b"example.com" not in row["evidence"]


async def test_a_customer_first_seen_deleted_gets_a_row(store: Store, sql: Any) -> None:
    await store.apply([deleted_customer(event="1", name="Ada")])
    row = await _user(sql)
    assert (row["deleted"], row["email"], row["name"]) == (NOW, "cus_1@placeholder.invalid", None)


async def test_nothing_revives_a_deleted_customer(store: Store, sql: Any) -> None:
    await store.apply([deleted_customer(event="gone")])
    before = await _user(sql)
    result = await store.apply(
        [new_customer(event="made", at=-10), customer(event="late", at=10, name="Late")]
    )
    after = await _user(sql)
    assert set(result.results.values()) == {decided(Reason.AFTER_DELETE)}
    assert (after["deleted"], after["name"], after["email"]) == (before["deleted"], None, before["email"])


async def test_deletion_takes_the_roles_and_no_later_event_brings_them_back(store: Store, sql: Any) -> None:
    await store.apply([new_customer(event="1")])
    await sql.execute("INSERT INTO user_roles (user_id, role) SELECT user_id, 'admin' FROM users")
    await store.apply([deleted_customer(event="2", at=10)])
    await store.apply([customer(event="3", at=20), subscription(event="4", at=20)])
    assert await sql.fetchval("SELECT count(*) FROM user_roles") == 0


@pytest.mark.parametrize("email", [None, ""])
async def test_a_customer_without_address_shows_its_stand_in(
    store: Store, sql: Any, email: str | None
) -> None:
    await store.apply([customer(event="1", email=email)])
    row = await _user(sql)
    assert (row["email"], row["stripe_email"]) == ("cus_1@placeholder.invalid", None)


async def test_an_undecided_row_is_marked_and_a_later_event_clears_the_mark(store: Store, sql: Any) -> None:
    await store.apply([customer(event="1", name="One"), customer(event="2", name="Two")])
    assert (await _user(sql))["unsure"] is True
    await store.apply([customer(event="3", at=10, name="Three")])
    assert (await _user(sql))["unsure"] is False


async def test_text_that_postgres_refuses_is_stored_with_a_replacement(store: Store, sql: Any) -> None:
    await store.apply([customer(event="1", name="a\x00b\ud800c", metadata={"k\x00": "\udfff"})])
    row = await _user(sql)
    assert (row["name"], row["metadata"]) == ("a\ufffdb\ufffdc", '{"k\ufffd": "\ufffd"}')


async def test_a_row_that_vanishes_under_its_lock_stops_the_whole_batch(store: Store, sql: Any) -> None:
    await store.apply([customer(1, event="1"), customer(2, event="2")])
    await sql.execute("CREATE RULE vanish AS ON UPDATE TO users DO INSTEAD NOTHING")
    with pytest.raises(AssertionError, match="there were 2 rows to write"):
        await store.apply([customer(1, event="3", at=10), customer(2, event="4", at=10)])
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 2


async def _user(sql: Any, customer_id: str = "cus_1") -> dict[str, Any]:
    row = await sql.fetchrow(
        """
        SELECT users.*,
               extract(EPOCH FROM stripe_created_at)::BIGINT AS created,
               extract(EPOCH FROM stripe_updated_at)::BIGINT AS updated,
               extract(EPOCH FROM deleted_at)::BIGINT AS deleted
        FROM users WHERE stripe_customer_id = $1
        """,
        customer_id,
    )
    return dict(row)
