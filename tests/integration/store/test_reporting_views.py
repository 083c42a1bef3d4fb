"""What the views for reports say of subscriptions that are known."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cogento.database_schema import with_schema
from cogento.store.migrate import migrate
from cogento.store.process_roles import ProcessRole
from cogento.store.table_schemas import VIEWS_FOR_PEOPLE
from tests.integration.store.test_foreign_databases import execute
from tests.support import builders
from tests.support.databases import ROLES, as_role
from tests.support.store_deliveries import deleted_customer, new_customer, subscription

if TYPE_CHECKING:
    from cogento.store.store import Store
    from tests.support.builders import Json

DAY = 86_400
TODAY = dt.datetime.now(dt.UTC)
THIS_MONTH = TODAY.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month(ago: int) -> dt.date:
    """Name the first day of a month before this one."""
    months = THIS_MONTH.year * 12 + THIS_MONTH.month - 1 - ago
    return dt.date(months // 12, months % 12 + 1, 1)


def in_month(ago: int) -> int:
    """Name a second in the middle of a month before this one; of this one its first."""
    day = dt.datetime.combine(month(ago), dt.time(), dt.UTC)
    return int(day.timestamp()) + (14 * DAY if ago else 0)


def sold(
    amount: int | None = 1200,
    *,
    id_: str = "si_1",
    interval: str = "month",
    count: int = 1,
    quantity: int | None = 1,
    product: str = "prod_1",
    currency: str = "eur",
) -> Json:
    price = {
        "id": f"price_{product}",
        "product": product,
        "currency": currency,
        "unit_amount": amount,
        "recurring": {"interval": interval, "interval_count": count},
    }
    return {"id": id_, "created": builders.NOW, "quantity": quantity, "price": price}


@pytest.mark.parametrize(
    ("item", "monthly"),
    [
        (sold(1200, interval="month"), 1200),
        (sold(1200, interval="month", count=3), 400),
        (sold(1200, interval="year"), 100),
        (sold(2400, interval="year", count=2), 100),
        (sold(700, interval="week"), Decimal(700) * 365 / 7 / 12),
        (sold(120, interval="day", count=10), 365),
        (sold(1200, quantity=3), 3600),
        (sold(0), 0),
        (sold(None), None),
        (sold(1200, quantity=None), None),
        (sold(1200, interval="fortnight"), None),
        (sold(1200, count=0), None),
    ],
)
async def test_an_item_comes_to_so_much_in_a_month(
    store: Store, database_url: str, item: Json, monthly: float | None
) -> None:
    await store.apply([new_customer(event="c"), subscription(event="s", items=[item])])

    ((found,),) = execute(database_url, "SELECT round(monthly_amount, 6) FROM subscription_items")
    assert found == (None if monthly is None else round(Decimal(monthly), 6))


async def test_a_live_subscription_comes_with_person_and_products(store: Store, database_url: str) -> None:
    items = [sold(1200), sold(500, id_="si_2", product="prod_2")]
    await store.apply(
        [
            new_customer(event="c", email="Ada@example.com", name="Ada"),
            subscription(1, event="1", items=items, status="past_due"),
            subscription(2, event="2", status="trialing", pause_collection={"behavior": "void"}),
            subscription(3, event="3", status="canceled"),
            subscription(4, event="4", status="unpaid"),
        ]
    )

    shown = execute(
        database_url,
        "SELECT stripe_subscription_id, stripe_email, name, product_id, product_ids, monthly_amount, currency, "
        "collection_paused FROM live_subscriptions ORDER BY 1",
    )
    assert shown == [
        ("sub_1", "Ada@example.com", "Ada", "prod_1", ["prod_1", "prod_2"], Decimal("1700.00"), "eur", False),
        ("sub_2", "Ada@example.com", "Ada", "prod_1", ["prod_1"], None, "usd", True),
    ]


async def test_what_a_deleted_customer_had_is_not_live(store: Store, database_url: str) -> None:
    await store.apply([new_customer(event="c"), subscription(event="s")])
    await store.apply([deleted_customer(event="d", at=20)])

    assert execute(database_url, "SELECT * FROM live_subscriptions") == []


async def test_a_row_whose_items_are_not_known_yet_is_live_and_earns_nothing_yet(
    store: Store, database_url: str
) -> None:
    await store.apply([new_customer(event="c"), subscription(event="s", items=[sold()])])
    execute(database_url, "UPDATE subscriptions SET items = NULL")

    assert execute(database_url, "SELECT product_ids, monthly_amount FROM live_subscriptions") == [
        (None, None)
    ]
    assert execute(database_url, "SELECT * FROM mrr_by_month") == []
    assert execute(database_url, "SELECT * FROM churn_by_month") == []


async def test_revenue_begins_after_the_trial_and_ends_with_the_subscription(
    store: Store, database_url: str
) -> None:
    tried: dict[str, Any] = {"start_date": in_month(4), "trial_end": in_month(3)}
    gone: dict[str, Any] = {"start_date": in_month(3), "ended_at": in_month(1), "status": "canceled"}
    never: dict[str, Any] = {"start_date": in_month(3), "status": "incomplete_expired"}
    await store.apply(
        [
            new_customer(event="c"),
            subscription(1, event="1", items=[sold(1000)], **tried),
            subscription(2, event="2", items=[sold(1200, interval="year", quantity=2)], **gone),
            subscription(3, event="3", items=[sold(9000)], **never),
        ]
    )

    shown = execute(database_url, "SELECT month, items, mrr, trialing_mrr FROM mrr_by_month ORDER BY month")
    assert shown == [
        (month(4), 0, 0, 1000),
        (month(3), 2, 1200, 0),
        (month(2), 2, 1200, 0),
        (month(1), 1, 1000, 0),
        (month(0), 1, 1000, 0),
    ]


async def test_revenue_is_by_product_and_currency_and_says_what_is_paused(
    store: Store, database_url: str
) -> None:
    items = [sold(1000), sold(300, id_="si_2", product="prod_2")]
    paused: dict[str, Any] = {"pause_collection": {"behavior": "void"}, "start_date": in_month(0)}
    await store.apply(
        [
            new_customer(event="c"),
            subscription(1, event="1", items=items, start_date=in_month(0)),
            subscription(2, event="2", items=[sold(50, currency="usd")], **paused),
        ]
    )

    shown = execute(
        database_url,
        "SELECT product_id, currency, mrr, paused_mrr FROM mrr_by_month ORDER BY product_id, currency",
    )
    assert shown == [("prod_1", "eur", 1000, 0), ("prod_1", "usd", 50, 50), ("prod_2", "eur", 300, 0)]


async def test_churn_counts_what_was_paid_for_and_ended(store: Store, database_url: str) -> None:
    def lived(number: int, *, since: int, until: int | None = None, trial: int | None = None) -> Any:
        ended: dict[str, Any] = (
            {"status": "canceled", "ended_at": in_month(until)} if until is not None else {}
        )
        trial_end = {} if trial is None else {"trial_end": in_month(trial) + DAY}
        fields: dict[str, Any] = {"start_date": in_month(since), **ended, **trial_end}
        return subscription(number, event=f"s{number}", **fields)

    await store.apply(
        [
            new_customer(event="c"),
            lived(1, since=3),
            lived(2, since=3, until=2),
            lived(3, since=3, until=1),
            lived(4, since=3, until=3),
            lived(5, since=3, until=2, trial=1),  # ended in its trial
        ]
    )

    assert execute(
        database_url, "SELECT month, at_start, began, ended, churn FROM churn_by_month ORDER BY month"
    ) == [
        (month(3), 0, 3, 0, None),
        (month(2), 3, 0, 1, Decimal("0.3333")),
        (month(1), 2, 0, 1, Decimal("0.5000")),
        (month(0), 1, 0, 0, Decimal("0.0000")),
    ]


async def test_members_are_counted_by_metadata(store: Store, database_url: str) -> None:
    await store.set_member_statuses({"active"})
    await store.apply(
        [
            new_customer(1, event="c1", metadata={"tier": "gold"}),
            new_customer(2, event="c2", metadata={"tier": "gold", "city": "Lund"}),
            new_customer(3, event="c3", metadata={"tier": "gold"}),
            subscription(1, event="s1", of=1),
            subscription(2, event="s2", of=2),
        ]
    )

    shown = execute(database_url, "SELECT key, value, members FROM members_by_metadata ORDER BY key")
    assert shown == [("city", "Lund", 1), ("tier", "gold", 2)]


def test_a_reader_sees_every_view_and_nothing_behind_them(database_url: str) -> None:
    with psycopg.connect(as_role(ROLES[ProcessRole.READER], database_url)) as reader:
        found = [
            reader.execute(f"SELECT count(*) FROM {view}".encode()).fetchone() for view in VIEWS_FOR_PEOPLE
        ]
    assert found == [(0,)] * len(VIEWS_FOR_PEOPLE)


def test_views_are_beside_the_tables_that_they_show_and_each_column_says_what_it_is(
    empty_database_url: str,
) -> None:
    migrate(with_schema(empty_database_url, "billing"))

    bare = execute(
        empty_database_url,
        "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum >= 0 "
        "WHERE c.relnamespace = 'billing'::REGNAMESPACE AND c.relkind = 'v' AND col_description(c.oid, a.attnum) IS NULL",
    )
    views = execute(
        empty_database_url,
        "SELECT relname::TEXT FROM pg_class WHERE relnamespace = 'billing'::REGNAMESPACE AND relkind = 'v'",
    )
    assert bare == []
    assert {view for (view,) in views} == set(VIEWS_FOR_PEOPLE)


def test_an_upgrade_keeps_a_grant_on_a_view(database_url: str) -> None:
    execute(database_url, "GRANT SELECT ON mrr_by_month TO pg_monitor")
    migrate(database_url)

    granted = "SELECT has_table_privilege('pg_monitor', 'mrr_by_month', 'SELECT')"
    assert execute(database_url, granted) == [(True,)]
