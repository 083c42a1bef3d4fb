"""The owner's example queries, as written, and the forms that use the indexes at 100,000 rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cogento.store.roles import Role
from cogento.store.store import Store
from tests.support.store_deliveries import new_customer, subscription

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from tests.support.databases import Administration

ADA = "ada@example.com"
FILL = """
SET session_replication_role = replica;  -- checks of what refers to what are a third of the work, and all of it is there
INSERT INTO users (email, stripe_customer_id, metadata)
SELECT
    n || '@example.com',
    'cus_' || n,
    jsonb_build_object('membership_type', CASE WHEN n % 1000 = 0 THEN 'Adult' ELSE 'Junior' END, 'number', n::TEXT)
FROM generate_series(1, 100000) AS n;
INSERT INTO subscriptions (stripe_subscription_id, user_id, status, metadata)
SELECT
    replace(stripe_customer_id, 'cus', 'sub'),
    user_id,
    CASE WHEN metadata ->> 'membership_type' = 'Adult' THEN 'past_due' ELSE 'active' END,
    jsonb_build_object('subscription_type', CASE WHEN metadata ->> 'membership_type' = 'Adult' THEN 'Premium' ELSE 'Basic' END)
FROM users;
INSERT INTO user_roles (user_id, role)
SELECT user_id, CASE WHEN metadata ->> 'membership_type' = 'Adult' THEN 'admin' ELSE 'user' END
FROM users;
RESET session_replication_role;
"""


@pytest.fixture(scope="module")
def hundred_thousand(administration: Administration, migrated_template: str) -> Iterator[psycopg.Connection]:
    """A database of 100,000 users with a subscription and a role each."""
    yield from administration.lend_filled(_fill, template=migrated_template)


async def test_a_user_with_subscriptions_by_address(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email=ADA), new_customer(2, event="2")])
    await store.apply([subscription(n, event=f"s{n}", of=1) for n in range(2)])
    rows = await sql.fetch(
        """
        SELECT u.*, s.*
        FROM users u
        LEFT JOIN subscriptions s ON u.user_id = s.user_id
        WHERE u.email = 'ada@example.com';
        """
    )
    assert sorted(row["stripe_subscription_id"] for row in rows) == ["sub_0", "sub_1"]
    assert {row["stripe_customer_id"] for row in rows} == {"cus_1"}


async def test_a_user_without_subscriptions_by_address_is_one_row(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email=ADA)])
    rows = await sql.fetch(
        """
        SELECT u.*, s.*
        FROM users u
        LEFT JOIN subscriptions s ON u.user_id = s.user_id
        WHERE u.email = 'ada@example.com';
        """
    )
    assert [row["stripe_subscription_id"] for row in rows] == [None]


async def test_users_by_customer_metadata(store: Store, sql: Any) -> None:
    await store.apply(
        [
            new_customer(1, event="1", metadata={"membership_type": "Adult"}),
            new_customer(2, event="2", metadata={"membership_type": "Junior"}),
            new_customer(3, event="3"),
        ]
    )
    rows = await sql.fetch("SELECT * FROM users WHERE metadata->>'membership_type' = 'Adult';")
    assert [row["stripe_customer_id"] for row in rows] == ["cus_1"]


async def test_subscriptions_by_subscription_metadata(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", metadata={"subscription_type": "Premium"})])
    await store.apply(
        [
            subscription(1, event="s1", metadata={"subscription_type": "Premium"}),
            subscription(2, event="s2", metadata={"subscription_type": "Basic"}),
        ]
    )
    rows = await sql.fetch("SELECT * FROM subscriptions WHERE metadata->>'subscription_type' = 'Premium';")
    assert [row["stripe_subscription_id"] for row in rows] == ["sub_1"]


async def test_the_roles_of_a_user_by_address(store: Store, sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email=ADA)])
    await store.roles.grant(ADA, Role.MEMBER)
    await store.roles.grant(ADA, Role.ADMIN)
    rows = await sql.fetch(
        """
        SELECT u.*, ur.role
        FROM users u
        JOIN user_roles ur ON u.user_id = ur.user_id
        WHERE u.email = 'ada@example.com';
        """
    )
    assert sorted(row["role"] for row in rows) == ["admin", "member"]


@pytest.mark.parametrize(
    ("question", "index"),
    [
        ("SELECT * FROM users WHERE email = '77@example.com'", "idx_users_email"),
        ("SELECT * FROM users WHERE stripe_customer_id = 'cus_77'", "idx_users_stripe_customer_id"),
        ('SELECT * FROM users WHERE metadata @> \'{"membership_type": "Adult"}\'', "idx_users_metadata_gin"),
        ('SELECT * FROM users WHERE metadata @> \'{"number": "77"}\'', "idx_users_metadata_gin"),
        (
            'SELECT * FROM subscriptions WHERE metadata @> \'{"subscription_type": "Premium"}\'',
            "idx_subscriptions_metadata_gin",
        ),
        ("SELECT * FROM subscriptions WHERE status = 'past_due'", "idx_subscriptions_status"),
        (
            "SELECT * FROM subscriptions WHERE stripe_subscription_id = 'sub_77'",
            "idx_subscriptions_stripe_subscription_id",
        ),
        (
            "SELECT u.*, s.* FROM users u LEFT JOIN subscriptions s ON u.user_id = s.user_id WHERE u.email = '77@example.com'",
            "idx_subscriptions_user_id",
        ),
        ("SELECT * FROM user_roles WHERE role = 'admin'", "idx_user_roles_role"),
    ],
)
def test_the_question_is_answered_by_its_index(
    hundred_thousand: psycopg.Connection, question: str, index: str
) -> None:
    plan = _plan(hundred_thousand, question)
    assert index in plan
    assert "Seq Scan" not in plan


def test_the_arrow_form_reads_the_whole_table_and_says_the_same(hundred_thousand: psycopg.Connection) -> None:
    arrow = "SELECT count(*) FROM users WHERE metadata->>'membership_type' = 'Adult'"
    contains = 'SELECT count(*) FROM users WHERE metadata @> \'{"membership_type": "Adult"}\''
    assert "Seq Scan" in _plan(hundred_thousand, arrow)
    assert (
        hundred_thousand.execute(arrow).fetchone() == hundred_thousand.execute(contains).fetchone() == (100,)
    )


def _fill(connection: psycopg.Connection) -> None:
    connection.execute(FILL)
    connection.execute("VACUUM ANALYZE users, subscriptions, user_roles")


def _plan(connection: psycopg.Connection, question: str) -> str:
    row = connection.execute(f"EXPLAIN (FORMAT JSON) {question}").fetchone()
    return json.dumps(row)
