"""Tables of the owner's shape that another program made and filled, taken over as they stand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from cogento.cli.main import main
from cogento.database_schema import with_schema
from cogento.store.adopt import AdoptionRefusedError, adopt
from cogento.store.errors import MigrationRefusedError
from cogento.store.migrate import migrate
from cogento.store.store import Store
from tests.integration.store.test_foreign_databases import execute
from tests.support.store_deliveries import customer, subscription

ADA, BOB = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
THEIRS = f"""
CREATE TYPE app_role AS ENUM ('superuser', 'admin', 'user', 'member');
CREATE TABLE users (
    user_id UUID PRIMARY KEY,
    email TEXT UNIQUE NOT NULL,
    stripe_customer_id VARCHAR(64) UNIQUE NOT NULL,
    name TEXT, phone TEXT, address JSON, metadata JSONB,
    stripe_created_at TIMESTAMP, stripe_updated_at TIMESTAMP,
    synced_at TIMESTAMP, last_webhook_event_id TEXT,
    newsletter BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX idx_users_email ON users (email);
CREATE TABLE subscriptions (
    subscription_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    stripe_subscription_id VARCHAR(64) NOT NULL,
    user_id UUID NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    product_id TEXT, status TEXT NOT NULL,
    current_period_start TIMESTAMPTZ, current_period_end TIMESTAMPTZ, metadata JSONB NOT NULL DEFAULT '{{}}', synced_at TIMESTAMPTZ
);
CREATE INDEX idx_subscriptions_stripe_subscription_id ON subscriptions (stripe_subscription_id);
CREATE TABLE user_roles (
    user_id UUID REFERENCES users (user_id), role app_role, created_at TIMESTAMPTZ DEFAULT now(), PRIMARY KEY (user_id, role)
);
CREATE TABLE orders (id INT PRIMARY KEY, user_id UUID REFERENCES users (user_id));
CREATE VIEW addresses AS SELECT user_id, newsletter FROM users;
CREATE TRIGGER mine BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
INSERT INTO users (user_id, email, stripe_customer_id, name, stripe_created_at, address, newsletter) VALUES
    ('{ADA}', 'ada@example.com', 'cus_1', 'Ada', '2024-01-01 12:00', '{{"city": "London"}}', TRUE),
    ('{BOB}', 'bob@example.com', 'manual', 'Bob', NULL, NULL, FALSE);
INSERT INTO subscriptions (stripe_subscription_id, user_id, status) VALUES ('sub_1', '{ADA}', 'active');
INSERT INTO user_roles (user_id, role) VALUES ('{ADA}', 'admin'), ('{BOB}', 'user');
INSERT INTO orders VALUES (1, '{ADA}');
"""
SHAPE = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relname IN ('users', 'subscriptions', 'user_roles') AND c.relnamespace = 'public'::REGNAMESPACE
  AND a.attname <> 'newsletter'
ORDER BY 1, 2
"""
ROWS = "SELECT user_id::TEXT, email, stripe_customer_id, name, newsletter FROM users ORDER BY email"
ROLES = "SELECT user_id::TEXT, role::TEXT FROM user_roles ORDER BY 1"
RELATIONS = """
SELECT relname, relkind FROM pg_class
WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'cogento_internal')) ORDER BY 1
"""


@pytest.fixture
def theirs(empty_database_url: str) -> str:
    execute(empty_database_url, THEIRS)
    return empty_database_url


def as_text(shape: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """TEXT stays where it is, for it holds what VARCHAR holds."""
    return [(*row[:2], row[2].replace("character varying", "text"), *row[3:4]) for row in shape]


def test_what_would_be_done_is_said_and_nothing_is_changed(
    theirs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = execute(theirs, RELATIONS)
    monkeypatch.setenv("DATABASE_URL", theirs)

    said = CliRunner().invoke(main, ["adopt"])

    assert said.exit_code == 0, said.output
    assert "rows of users          2" in said.output
    assert "users: add stripe_email" in said.output
    assert "users: your column newsletter" in said.output
    assert "users: your trigger mine" in said.output
    assert "Nothing was changed." in said.output
    assert execute(theirs, RELATIONS) == before


def test_tables_are_taken_over_in_place_with_every_id_and_role(
    theirs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, roles = execute(theirs, ROWS), execute(theirs, ROLES)
    monkeypatch.setenv("DATABASE_URL", theirs)

    done = CliRunner().invoke(main, ["adopt", "--yes", "--json"])

    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["adoption"]["rows"] == {"users": 2, "subscriptions": 1, "user_roles": 2}
    assert execute(theirs, ROWS) == rows
    assert execute(theirs, ROLES) == roles
    assert execute(theirs, "SELECT DISTINCT granted_by FROM user_roles") == [("hand",)]
    assert execute(theirs, "SELECT newsletter FROM addresses ORDER BY 1") == [(False,), (True,)]
    assert (
        execute(theirs, "SELECT stripe_created_at AT TIME ZONE 'UTC' FROM users WHERE name = 'Ada'")[0][
            0
        ].hour
        == 12
    )
    assert migrate(theirs).before == migrate(theirs).after


def test_what_was_taken_over_is_of_the_shape_of_tables_that_were_made(
    theirs: str, untouched_url: str
) -> None:
    adopt(theirs, is_rehearsal=False)
    assert as_text(execute(theirs, SHAPE)) == as_text(execute(untouched_url, SHAPE))
    machinery = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'cogento_internal'::REGNAMESPACE ORDER BY 1"
    )
    assert execute(theirs, machinery) == execute(untouched_url, machinery)


async def test_events_go_on_from_the_rows_that_were_there(theirs: str) -> None:
    adopt(theirs, is_rehearsal=False)
    store = await Store.open(theirs, pool_size=1, application_name="test")
    await store.repair()
    await store.apply(
        [
            customer(1, event="1", email="ada@new.example.com", name="Ada L."),
            subscription(event="2", status="canceled"),
        ]
    )
    await store.close()
    assert execute(theirs, ROWS)[:1] == [(ADA, "ada@new.example.com", "cus_1", "Ada L.", True)]
    assert execute(theirs, "SELECT status FROM subscriptions") == [("canceled",)]
    assert execute(theirs, ROLES) == [(ADA, "admin"), (BOB, "user")]


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        ("ALTER TABLE users DROP COLUMN email", "users has no column email"),
        (
            "ALTER TABLE subscriptions DROP COLUMN subscription_id",
            "subscriptions has no column subscription_id",
        ),
        (
            "ALTER TABLE users ADD COLUMN age INT NOT NULL DEFAULT 1; ALTER TABLE users ALTER age DROP DEFAULT",
            "column age of its own",
        ),
        (
            "ALTER TABLE subscriptions ALTER current_period_end TYPE INT USING 1",
            "current_period_end is integer",
        ),
        (
            "ALTER TABLE user_roles DROP CONSTRAINT user_roles_user_id_fkey; DELETE FROM orders; DELETE FROM users",
            "2 rows of user_roles are of nobody",
        ),
        (
            "ALTER TABLE users ALTER email DROP NOT NULL; UPDATE users SET email = NULL",
            "2 rows of users have no email",
        ),
        ("DROP TABLE orders, user_roles, subscriptions, users CASCADE", "no table users"),
        (
            "INSERT INTO subscriptions (stripe_subscription_id, user_id, status) SELECT 'sub_1', user_id, 'x' FROM users",
            "occur more than once",
        ),
    ],
)
def test_what_cannot_be_taken_over_is_named_and_nothing_is_changed(
    theirs: str, harm: str, complaint: str
) -> None:
    execute(theirs, harm)
    before = execute(theirs, RELATIONS)
    with pytest.raises(AdoptionRefusedError, match=complaint):
        adopt(theirs, is_rehearsal=False)
    assert execute(theirs, RELATIONS) == before


def test_tables_that_are_ours_are_not_taken_over_again(database_url: str) -> None:
    with pytest.raises(AdoptionRefusedError, match="ours already"):
        adopt(database_url, is_rehearsal=False)


def test_users_alone_are_enough(empty_database_url: str) -> None:
    execute(
        empty_database_url,
        "CREATE SCHEMA crm",
        "CREATE TABLE crm.users (user_id UUID, email VARCHAR, stripe_customer_id VARCHAR, more INT)",
        "INSERT INTO crm.users VALUES (gen_random_uuid(), 'a@b.c', 'cus_1', 7)",
    )
    url = with_schema(empty_database_url, "crm")
    done = adopt(url, is_rehearsal=False)
    assert done.rows == {"users": 1}
    execute(
        empty_database_url,
        "INSERT INTO crm.user_roles (user_id, role) SELECT user_id, 'admin' FROM crm.users",
    )
    assert execute(empty_database_url, "SELECT more, stripe_email FROM crm.users") == [(7, "a@b.c")]


def test_migrate_names_adopt_where_such_tables_are_in_the_way(theirs: str) -> None:
    with pytest.raises(MigrationRefusedError, match="cogento adopt"):
        migrate(theirs)
