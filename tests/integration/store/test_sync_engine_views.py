"""Views named as the sync engines' tables, for queries that were written for those."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cogento.cli.main import main
from cogento.database_schema import with_schema
from cogento.store.errors import MigrationRefusedError
from cogento.store.migrate import migrate
from tests.integration.store.test_foreign_databases import execute
from tests.support.builders import NOW, item
from tests.support.store_deliveries import deleted_customer, new_customer, subscription

if TYPE_CHECKING:
    from cogento.store.store import Store

THEIR_QUERY = """
SELECT c.id, c.email, c.metadata ->> 'plan', s.id, s.status, to_timestamp(s.current_period_end) > to_timestamp(s.created)
FROM stripe.subscriptions AS s JOIN stripe.customers AS c ON c.id = s.customer
WHERE s.status = 'active' AND NOT c.deleted
"""


async def test_queries_written_for_a_sync_engine_find_our_rows(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.apply(
        [
            new_customer(event="1", email="Ada@example.com", metadata={"plan": "gold"}),
            subscription(event="2", status="active"),
            new_customer(2, event="3"),
            deleted_customer(2, event="4", at=9),
        ]
    )
    monkeypatch.setenv("DATABASE_URL", database_url)

    done, again = (CliRunner().invoke(main, ["migrate", "--sync-engine-views"]) for _ in range(2))

    assert (done.exit_code, again.exit_code) == (0, 0)

    assert execute(database_url, THEIR_QUERY) == [
        ("cus_1", "Ada@example.com", "gold", "sub_1", "active", True)
    ]
    created = "SELECT object, created, deleted FROM stripe.customers ORDER BY id"
    assert [row[0] for row in execute(database_url, created)] == ["customer", "customer"]
    assert [row[2] for row in execute(database_url, created)] == [False, True]
    assert execute(database_url, created)[0][1] <= NOW


THEIR_ITEMS = """
SELECT i ->> 'id', i -> 'price' ->> 'id', (i -> 'price' ->> 'unit_amount')::INTEGER, (i ->> 'quantity')::INTEGER,
       i -> 'price' -> 'recurring' ->> 'interval', s.cancel_at_period_end, s.start_date
FROM stripe.subscriptions AS s, jsonb_array_elements(s.items -> 'data') AS i
"""


async def test_items_are_where_their_queries_look_for_them(store: Store, database_url: str) -> None:
    price = {"id": "price_9", "unit_amount": 900, "recurring": {"interval": "year", "interval_count": 1}}
    await store.apply(
        [
            new_customer(event="1"),
            subscription(event="2", items=[{**item("si_1", quantity=2), "price": price}]),
        ]
    )
    migrate(database_url, with_views=True)

    assert execute(database_url, THEIR_ITEMS) == [("si_1", "price_9", 900, 2, "year", False, NOW)]
    execute(database_url, "UPDATE subscriptions SET items = NULL")
    assert execute(database_url, "SELECT items FROM stripe.subscriptions") == [(None,)]


def test_without_being_asked_nothing_is_made(database_url: str) -> None:
    migrate(database_url)
    assert execute(database_url, "SELECT to_regnamespace('stripe')") == [(None,)]


def test_tables_of_a_sync_engine_that_are_still_there_are_named_and_kept(database_url: str) -> None:
    execute(database_url, "CREATE SCHEMA stripe", "CREATE TABLE stripe.subscriptions (id TEXT)")
    with pytest.raises(MigrationRefusedError, match=r"stripe\.subscriptions already.*RENAME TO"):
        migrate(database_url, with_views=True)
    assert execute(database_url, "SELECT to_regclass('stripe.customers')") == [(None,)]


def test_views_of_one_copy_are_not_taken_by_another(database_url: str) -> None:
    migrate(database_url, with_views=True)
    with pytest.raises(MigrationRefusedError, match="not ours"):
        migrate(with_schema(database_url, "test"), with_views=True)


def test_the_next_migration_leaves_the_views_as_they_are(database_url: str) -> None:
    migrate(database_url, with_views=True)
    oids = "SELECT 'stripe.customers'::REGCLASS::OID, 'stripe.subscriptions'::REGCLASS::OID"
    before = execute(database_url, oids)
    migrate(database_url)
    assert execute(database_url, oids) == before
