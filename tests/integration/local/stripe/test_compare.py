from __future__ import annotations

import asyncio
import json
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from cogento.local.stripe.compare import Comparison, compare, main
from cogento.local.stripe.truth import SubscriptionTruth, Truth, UserTruth, truth, write_truth
from tests.support.stripe_histories import lived

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ANY_USER = "ctid = (SELECT min(ctid) FROM users WHERE deleted_at IS NULL AND address IS NOT NULL)"
ANY_SUBSCRIPTION = "ctid = (SELECT min(ctid) FROM subscriptions)"


@pytest.fixture(scope="module")
def known() -> Truth:
    return truth(lived(steps=400))


@pytest.fixture
def filled_url(database_url: str, known: Truth) -> str:
    """A database whose tables show the truth."""
    with psycopg.connect(database_url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.executemany(_INSERT_USER, _users(known))
        cursor.executemany(_INSERT_SUBSCRIPTION, _subscriptions(known))
    return database_url


def _compared(url: str, known: Truth, *statements: str, ignored: Iterable[str] = ()) -> Comparison:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("; ".join(["SELECT 1", *statements]).encode())
    return asyncio.run(compare(url, known, ignored=tuple(ignored)))


def test_tables_that_show_the_truth_do_not_differ(filled_url: str, known: Truth) -> None:
    comparison = _compared(filled_url, known)
    assert comparison.is_equal
    assert comparison.rows == len(known.users) + len(known.subscriptions)


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("email", "email = 'other@example.com'"),
        ("stripe_email", "stripe_email = 'other@example.com'"),
        ("name", "name = NULL"),
        ("phone", "phone = '1'"),
        ("address", "address = NULL"),
        ("metadata", 'metadata = \'{"a": "b"}\''),
        ("deleted", "deleted_at = now()"),
        ("stripe_created_at", "stripe_created_at = now()"),
        ("stripe_updated_at", "stripe_updated_at = now()"),
        ("last_webhook_event_id", "last_webhook_event_id = 'evt_other'"),
    ],
)
def test_a_wrong_column_of_a_user_is_found(filled_url: str, known: Truth, column: str, change: str) -> None:
    comparison = _compared(filled_url, known, f"UPDATE users SET {change} WHERE {ANY_USER}")
    assert [(one.table, one.column) for one in comparison.differences] == [("users", column)]


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("product_id", "product_id = NULL"),
        ("status", "status = 'other'"),
        ("current_period_start", "current_period_start = NULL"),
        ("current_period_end", "current_period_end = now()"),
        ("metadata", 'metadata = \'{"a": "b"}\''),
        ("items", "items = '[]'"),
        ("cancel_at_period_end", "cancel_at_period_end = NULL"),
        ("cancel_at", "cancel_at = '2001-01-01'"),
        ("canceled_at", "canceled_at = '2001-01-01'"),
        ("ended_at", "ended_at = '2001-01-01'"),
        ("trial_end", "trial_end = '2001-01-01'"),
        ("start_date", "start_date = NULL"),
        ("collection_method", "collection_method = 'other'"),
        ("pause_collection", 'pause_collection = \'{"behavior": "other"}\''),
        ("stripe_created_at", "stripe_created_at = NULL"),
        ("stripe_updated_at", "stripe_updated_at = now()"),
        ("last_webhook_event_id", "last_webhook_event_id = NULL"),
        (
            "stripe_customer_id",
            "user_id = (SELECT min(user_id::TEXT)::UUID FROM users u WHERE u.user_id <> subscriptions.user_id)",
        ),
    ],
)
def test_a_wrong_column_of_a_subscription_is_found(
    filled_url: str, known: Truth, column: str, change: str
) -> None:
    comparison = _compared(filled_url, known, f"UPDATE subscriptions SET {change} WHERE {ANY_SUBSCRIPTION}")
    assert [(one.table, one.column) for one in comparison.differences] == [("subscriptions", column)]


def test_a_missing_row_is_found(filled_url: str, known: Truth) -> None:
    comparison = _compared(filled_url, known, f"DELETE FROM subscriptions WHERE {ANY_SUBSCRIPTION}")
    assert [(one.column, one.expected, one.found) for one in comparison.differences] == [
        ("row", "present", None)
    ]


def test_a_surplus_row_is_found(filled_url: str, known: Truth) -> None:
    surplus = "INSERT INTO users (email, stripe_customer_id) VALUES ('x@example.com', 'cus_surplus')"
    (difference,) = _compared(filled_url, known, surplus).differences
    assert (difference.stripe_id, difference.found) == ("cus_surplus", "present")


def test_roles_that_outlived_a_deletion_are_found(filled_url: str, known: Truth) -> None:
    grant = (
        "INSERT INTO user_roles (user_id, role) "
        "SELECT user_id, 'user' FROM users WHERE deleted_at IS NOT NULL LIMIT 1"
    )
    assert [one.column for one in _compared(filled_url, known, grant).differences] == ["roles_after_deletion"]


def test_a_row_that_calls_itself_unsure_is_counted_apart(filled_url: str, known: Truth) -> None:
    comparison = _compared(
        filled_url,
        known,
        f"UPDATE subscriptions SET status = 'other', unsure = TRUE WHERE {ANY_SUBSCRIPTION}",
    )
    assert comparison.is_equal
    assert comparison.unsure_rows == 1
    assert [one.column for one in comparison.unsure_differences] == ["status"]


def test_columns_can_be_left_out(filled_url: str, known: Truth) -> None:
    wrong = "UPDATE users SET last_webhook_event_id = NULL, stripe_updated_at = NULL"
    ignored = ["last_webhook_event_id", "stripe_updated_at"]
    assert _compared(filled_url, known, wrong, ignored=ignored).is_equal


def test_the_command_ends_with_zero_when_nothing_differs(
    filled_url: str, known: Truth, tmp_path: Path
) -> None:
    result = _run_command(filled_url, known, tmp_path)
    assert result.exit_code == 0
    assert "0 differences" in result.output


def test_the_command_ends_with_one_and_names_what_differs(
    filled_url: str, known: Truth, tmp_path: Path
) -> None:
    result = _run_command(filled_url, Truth(known.users[1:], known.subscriptions), tmp_path, "--json")
    difference = {"table": "users", "stripe_id": known.users[0].stripe_customer_id, "column": "row"}
    assert result.exit_code == 1
    assert difference.items() <= json.loads(result.output)["differences"][0].items()


def _run_command(url: str, known: Truth, folder: Path, *options: str) -> Result:
    file = folder / "truth.ndjson"
    file.write_bytes(write_truth(known))
    return CliRunner().invoke(main, ["--database-url", url, "--truth", str(file), *options])


_INSERT_USER = """
INSERT INTO users (
    stripe_customer_id, email, stripe_email, name, phone, address, metadata, deleted_at,
    stripe_created_at, last_webhook_event_id, stripe_updated_at
) VALUES (
    %s, %s, %s, %s, %s, %s, %s, CASE WHEN %s THEN now() END, to_timestamp(%s), %s, to_timestamp(%s)
)
"""
_INSERT_SUBSCRIPTION = """
INSERT INTO subscriptions (
    user_id, stripe_subscription_id, product_id, status, current_period_start, current_period_end,
    metadata, items, cancel_at_period_end, cancel_at, canceled_at, ended_at, trial_end, start_date,
    collection_method, pause_collection, stripe_created_at, last_webhook_event_id, stripe_updated_at
)
SELECT user_id, %s, %s, %s, to_timestamp(%s), to_timestamp(%s), %s,
       %s, %s, to_timestamp(%s), to_timestamp(%s), to_timestamp(%s), to_timestamp(%s), to_timestamp(%s), %s, %s,
       to_timestamp(%s), %s, to_timestamp(%s)
FROM users
WHERE stripe_customer_id = %s
"""


def _number_of_events(one: UserTruth | SubscriptionTruth) -> int:
    """Sort rows that can name one event only to the front, where the tests take the row that they change."""
    return len(one.events)


def _users(known: Truth) -> list[tuple[Any, ...]]:
    return [
        (
            *(one.stripe_customer_id, one.email, one.stripe_email, one.name, one.phone),
            *(one.address and json.dumps(one.address), json.dumps(one.metadata), one.deleted),
            *(one.stripe_created_at, *Random(1).choice(list(one.events.items()))),
        )
        for one in sorted(known.users, key=_number_of_events)
    ]


def _subscriptions(known: Truth) -> list[tuple[Any, ...]]:
    return [
        (
            *(one.stripe_subscription_id, one.product_id, one.status),
            *(one.current_period_start, one.current_period_end, json.dumps(one.metadata)),
            *(json.dumps(one.items), one.cancel_at_period_end, one.cancel_at, one.canceled_at, one.ended_at),
            *(one.trial_end, one.start_date, one.collection_method),
            one.pause_collection and json.dumps(one.pause_collection),
            *(one.stripe_created_at, *Random(1).choice(list(one.events.items())), one.stripe_customer_id),
        )
        for one in sorted(known.subscriptions, key=_number_of_events)
    ]
