"""Transactions that conflict with others: run again in place, then tried later; and statements that take too long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from cogento import runtime
from cogento.events.names import CustomerId
from cogento.events.outcomes import Reason, decided
from cogento.retries import FailureClass
from cogento.store import connecting
from cogento.store.errors import classify
from cogento.store.store import Store
from tests.support.builders import NOW
from tests.support.builders import customer as stripe_customer
from tests.support.postgres_mail import names, put_names
from tests.support.postgres_watching import until_waiting
from tests.support.store_deliveries import new_customer, subscription

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from tests.support.checker import Checker
    from tests.support.post import Post

FAIL_SOMETIMES = """
CREATE SEQUENCE tries;
GRANT USAGE ON SEQUENCE tries TO PUBLIC;
CREATE FUNCTION fail() RETURNS TRIGGER LANGUAGE plpgsql AS
$$BEGIN
    IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END IF;
    RETURN NEW;
END$$;
CREATE TRIGGER fail BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION fail();
"""
SLOW_CUSTOMER = """
CREATE FUNCTION dawdle() RETURNS TRIGGER LANGUAGE plpgsql AS
$$BEGIN
    IF NEW.stripe_customer_id = 'cus_7' THEN PERFORM pg_sleep(5); END IF;
    RETURN NEW;
END$$;
CREATE TRIGGER dawdle BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION dawdle();
"""
ALWAYS = 1000
TRIED_OFTEN = 9
SLOW = CustomerId("cus_7")


@pytest.mark.parametrize("code", ["40P01", "40001", "55P03", "0A000", "23505"])
async def test_f31_a_transaction_that_met_another_runs_again_in_place(
    store: Store, sql: Any, code: str
) -> None:
    await sql.execute(FAIL_SOMETIMES.format(times=4, code=code))
    result = await store.apply([new_customer(1, event="1")])
    assert result.results == {"evt_1": decided(Reason.FIRST)}
    assert await sql.fetchval("SELECT last_value FROM tries") == 5


async def test_f31_after_five_times_contention_is_somebody_elses_decision(store: Store, sql: Any) -> None:
    await sql.execute(FAIL_SOMETIMES.format(times=ALWAYS, code="40001"))
    with pytest.raises(asyncpg.SerializationError) as caught:
        await store.apply([new_customer(1, event="1")])
    assert classify(caught.value) is FailureClass.CONTENTION
    assert await sql.fetchval("SELECT last_value FROM tries") == 5


def test_f31_a_worker_spends_no_attempt_on_what_passes_when_run_again(
    checker: Checker, post: Post, tables: psycopg.Connection
) -> None:
    tables.execute(FAIL_SOMETIMES.format(times=4, code="40001"))
    accepted = put_names(post, 0, 1)
    post.drain()
    assert names(post) == {"Name 1"}
    assert checker.judge(accepted=accepted).problems == ()


async def test_f30_a_deadlock_with_a_stranger_is_survived(
    store: Store, sql: Any, more_sql: Any, database_url: str
) -> None:
    name = database_url.rpartition("/")[2]
    await sql.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '300ms'")
    await sql.execute("SET deadlock_timeout = '10s'")  # so that we find it, and are the one to step back
    await store.apply([new_customer(1, event="1"), subscription(1, event="s")])
    stranger = sql.transaction()
    await stranger.start()
    await sql.execute("SELECT FROM subscriptions FOR UPDATE")
    ours = asyncio.create_task(store.apply([subscription(1, event="s2", at=10, status="past_due")]))
    await until_waiting(more_sql)
    await sql.execute("SELECT FROM users FOR UPDATE")
    await stranger.rollback()
    assert (await ours).results == {"evt_s2": decided(Reason.NEWER)}


@pytest.fixture
def impatient_store(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[Store]:
    """A store whose statements may take 200 ms, and 20 ms of it for a lock."""
    monkeypatch.setitem(connecting.SESSION, "statement_timeout", "200ms")
    monkeypatch.setitem(connecting.SESSION, "lock_timeout", "20ms")
    store = runtime.run(Store.open(database_url, pool_size=1, application_name="test"))
    yield store
    runtime.run(store.close())


def test_f35_a_row_that_stays_locked_makes_its_customer_wait_and_nobody_else(
    checker: Checker, post: Post, impatient_store: Store, tables: psycopg.Connection
) -> None:
    accepted = put_names(post, 0)
    post.drain()
    with tables.transaction():
        tables.execute("SELECT FROM users WHERE stripe_customer_id = 'cus_7' FOR UPDATE")
        accepted += put_names(post, 1)
        post.drain(impatient_store)
        ((event, attempts, error_class),) = waiting(post)
        assert (event, attempts >= 1, error_class) == ("evt_7_1", True, "transient")

    post.mailboxes.replay(SLOW)
    post.drain(impatient_store)

    assert names(post) == {"Name 1"}
    assert checker.judge(accepted=accepted, attempts_allowed=TRIED_OFTEN).problems == ()


def test_f34_a_statement_that_takes_too_long_is_waited_out_and_reported_the_third_time(
    checker: Checker, post: Post, impatient_store: Store, tables: psycopg.Connection
) -> None:
    tables.execute(SLOW_CUSTOMER)
    accepted = put_names(post, 0)

    with capture_logs() as logs:
        try_often(post, impatient_store, times=3)
    assert alarms(logs)[0] == ("evt_7_0", 3, "error")
    assert [one[0] for one in waiting(post)] == ["evt_7_0"]

    tables.execute("DROP FUNCTION dawdle CASCADE")
    try_again(post, impatient_store)
    assert names(post) == {"Name 0"}
    assert checker.judge(accepted=accepted, attempts_allowed=TRIED_OFTEN).problems == ()


def test_f34_the_customers_later_events_wait_behind_the_slow_one(
    checker: Checker, post: Post, impatient_store: Store, tables: psycopg.Connection
) -> None:
    tables.execute(SLOW_CUSTOMER)
    accepted = put_names(post, 0)
    try_again(post, impatient_store)
    accepted.append(
        post.put("customer.updated", stripe_customer("cus_7"), id_="evt_later", created=NOW + 9999)
    )
    try_again(post, impatient_store)
    (slow, attempts, _), later = waiting(post)
    assert (slow, attempts >= 2, later) == ("evt_7_0", True, ("evt_later", 0, None))
    assert checker.judge(accepted=accepted, waiting_allowed=2).problems == ()


def try_again(post: Post, store: Store) -> None:
    """Take the slow customer's turn now, and everybody's."""
    post.mailboxes.replay(SLOW)
    post.drain(store)


def try_often(post: Post, store: Store, *, times: int) -> None:
    """Process batches until the slow customer's event has failed so often."""
    while not (listed := waiting(post)) or listed[0][1] < times:
        try_again(post, store)


def waiting(post: Post) -> list[tuple[str, int, str | None]]:
    """The slow customer's waiting events: how often it failed, and of what."""
    listed = post.mailboxes.view(SLOW).waiting
    return [(one.event_id, one.attempts, one.error_class) for one in listed]


def alarms(logs: list[Any]) -> list[tuple[str, int, str]]:
    return [
        (line["event_id"], line["attempts"], line["log_level"])
        for line in logs
        if line["event"] == "statements_too_slow"
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("53100", FailureClass.INFRASTRUCTURE),
        ("57014", FailureClass.TRANSIENT),
        ("23514", FailureClass.PERMANENT),
        ("P0001", FailureClass.BUG),
    ],
)
async def test_anything_else_is_tried_once_and_leaves_nothing(
    store: Store, sql: Any, code: str, expected: FailureClass
) -> None:
    await sql.execute(FAIL_SOMETIMES.format(times=ALWAYS, code=code))
    with pytest.raises(asyncpg.PostgresError) as caught:
        await store.apply([new_customer(1, event="1")])
    assert classify(caught.value) is expected
    assert await sql.fetchval("SELECT last_value FROM tries") == 1
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 0
