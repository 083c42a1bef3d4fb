"""Many workers at once: no deadlocks, nothing is lost, nothing counts twice."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from cogento.events.addresses import EmailClaim, assign_addresses
from cogento.events.event import read_stored_event
from cogento.events.names import CustomerId
from cogento.events.outcomes import Reason, Source, decided
from cogento.store.store import Delivery, Store
from tests.support import builders
from tests.support.builders import NOW
from tests.support.store_deliveries import customer, deleted_customer, delivery, new_customer, subscription

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKERS = 8
CUSTOMERS = 24
ROUNDS = 12
SLOW_INSERTS = """
CREATE FUNCTION slow_down() RETURNS TRIGGER LANGUAGE plpgsql AS
$$BEGIN PERFORM pg_sleep(0.005); RETURN NEW; END$$;
CREATE TRIGGER slow_down BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION slow_down();
"""

SLOW_NOTICES = """
CREATE FUNCTION slow_down() RETURNS TRIGGER LANGUAGE plpgsql AS
$$BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END$$;
CREATE TRIGGER slow_down BEFORE UPDATE ON notices FOR EACH ROW EXECUTE FUNCTION slow_down();
"""


@pytest.fixture
def deadlocks_at_once(loop: asyncio.Runner, sql: Any, database_url: str) -> None:
    """Look for deadlocks at once, so that there is time to have some."""
    name = database_url.rpartition("/")[2]
    loop.run(sql.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '10ms'"))


async def test_workers_that_swap_addresses_among_each_other_meet_no_deadlock(
    deadlocks_at_once: None, store: Store, database_url: str, sql: Any
) -> None:
    rng = random.Random(7)
    await store.apply([_moved(n, f"{n}@example.com", step=0) for n in range(CUSTOMERS)])
    stores = [await Store.open(database_url, pool_size=1, application_name=f"w{n}") for n in range(WORKERS)]
    lives = {n: [f"{rng.randrange(6)}@example.com" for _ in range(ROUNDS)] for n in range(CUSTOMERS)}
    work = [_work(one, _share(worker, lives), seed=worker) for worker, one in enumerate(stores)]
    await asyncio.gather(*work)
    await asyncio.gather(*(one.close() for one in stores))
    assert await _emails(sql) == _assigned({n: life[-1] for n, life in lives.items()})
    assert (
        await sql.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    )


async def test_new_customers_that_claim_addresses_crosswise_meet_no_deadlock(
    deadlocks_at_once: None, store: Store, another_store: Store, sql: Any
) -> None:
    await sql.execute(SLOW_INSERTS)
    numbers = range(10)
    older = [
        new_customer(f"a{n}", event=f"a{n}", email=f"{n}@example.com", created=NOW - 20) for n in numbers
    ]
    younger = [
        new_customer(f"b{n}", event=f"b{n}", email=f"{9 - n}@example.com", created=NOW - 10) for n in numbers
    ]
    await asyncio.gather(store.apply(older), another_store.apply(younger))
    emails = await _emails(sql)
    assert [emails[CustomerId(f"cus_a{n}")] for n in numbers] == [f"{n}@example.com" for n in numbers]
    assert len(set(emails.values())) == 20
    assert await _counted("deadlocks", sql, store, another_store) == 0


async def test_answers_and_thin_events_of_two_batches_that_cross_meet_no_deadlock(
    deadlocks_at_once: None, store: Store, another_store: Store, sql: Any
) -> None:
    await store.apply([new_customer(n, event=f"c{n}") for n in range(2)])
    await store.apply([_thin("sub_a", event="t1"), _thin("sub_z", event="t2")])
    await sql.execute(SLOW_NOTICES)
    await asyncio.gather(
        store.apply([_answer("sub_a", event="f1", of=0), _thin("sub_z", event="t3")]),
        another_store.apply([_answer("sub_z", event="f2", of=1), _thin("sub_a", event="t4")]),
    )
    assert await _counted("deadlocks", sql, store, another_store) == 0
    assert await sql.fetchval("SELECT count(*) FROM notices WHERE answered_at IS NOT NULL") == 2


async def test_a_batch_with_new_customers_waits_for_their_addresses_instead_of_beginning_again(
    store: Store, another_store: Store, sql: Any, more_sql: Any
) -> None:
    async with sql.transaction():
        await sql.execute("LOCK TABLE users IN SHARE MODE")
        first = asyncio.create_task(another_store.apply([new_customer(1, event="1", email="a@b.c")]))
        await _until_waiting(more_sql, 1)
        second = asyncio.create_task(store.apply([new_customer(2, event="2", email="A@b.c")]))
        await _until_waiting(more_sql, 2)
    await asyncio.gather(first, second)
    assert await _counted("xact_rollback", sql, store, another_store) == 0


async def test_two_workers_with_the_same_new_events_apply_each_once(
    deadlocks_at_once: None, store: Store, another_store: Store, sql: Any
) -> None:
    customers = [new_customer(n, event=f"c{n}") for n in range(20)]
    subscriptions = [subscription(n, event=f"s{n}", of=n) for n in range(20)]
    batch = customers + subscriptions
    results = await asyncio.gather(store.apply(batch), another_store.apply(list(reversed(batch))))
    outcomes = [result.results[event] for result in results for event in result.results]
    assert outcomes.count(decided(Reason.FIRST)) == 40
    assert outcomes.count(decided(Reason.DUPLICATE)) == 40
    assert await sql.fetchval("SELECT count(*) FROM webhook_events WHERE outcome = 'applied'") == 40


async def test_a_slow_worker_with_the_older_state_does_not_undo_the_newer(
    store: Store, another_store: Store, sql: Any, more_sql: Any
) -> None:
    await store.apply([customer(event="1", name="First")])
    blocker = sql.transaction()
    await blocker.start()
    await sql.execute("SELECT FROM users FOR UPDATE")
    older = asyncio.create_task(store.apply([customer(event="2", at=10, name="Older")]))
    newer = asyncio.create_task(another_store.apply([customer(event="3", at=20, name="Newer")]))
    await _until_waiting(more_sql, 2)
    await blocker.rollback()
    await asyncio.gather(older, newer)
    assert await sql.fetchval("SELECT name FROM users") == "Newer"
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 3


async def test_an_heir_that_is_busy_elsewhere_is_waited_for(store: Store, sql: Any, more_sql: Any) -> None:
    await store.apply([new_customer(1, event="1", email="a@b.c", created=NOW - 20)])
    await store.apply([new_customer(2, event="2", email="a@b.c", created=NOW - 10)])
    busy = sql.transaction()
    await busy.start()
    await sql.execute("SELECT FROM users WHERE stripe_customer_id = 'cus_2' FOR UPDATE")
    deletion = asyncio.create_task(store.apply([deleted_customer(1, event="3", at=10, created=NOW - 20)]))
    await _until_waiting(more_sql, 1)
    await busy.rollback()
    await deletion
    assert (await _emails(sql))[CustomerId("cus_2")] == "a@b.c"


def _thin(object_id: str, *, event: str) -> Delivery:
    body = builders.body(
        builders.thin_event("v1.customer.subscription.updated", object_id, id_=f"evt_{event}")
    )
    return Delivery(read_stored_event(body), received_ms=0, attempts=0, source=Source.WEBHOOK)


def _answer(object_id: str, *, event: str, of: int) -> Delivery:
    object_ = builders.subscription(object_id, customer=f"cus_{of}")
    return delivery(
        "customer.subscription.fetched", object_, id_=f"evt_{event}", created=NOW + 60, source=Source.FETCH
    )


async def _work(store: Store, deliveries: Sequence[Delivery], *, seed: int) -> None:
    """Apply in the given order, in batches of chance size."""
    rng = random.Random(seed)
    start = 0
    while start < len(deliveries):
        size = rng.randint(1, 6)
        await store.apply(deliveries[start : start + size])
        start += size


def _share(worker: int, lives: dict[int, list[str]]) -> list[Delivery]:
    """A worker's own customers, as the leases would have it: round by round."""
    mine = [n for n in lives if n % WORKERS == worker]
    return [_moved(n, lives[n][step], step=step + 1) for step in range(ROUNDS) for n in mine]


def _moved(number: int, email: str, *, step: int) -> Delivery:
    return customer(number, event=f"{number}_{step}", at=10 * step, email=email, created=NOW - 5000 + number)


def _assigned(emails: dict[int, str]) -> dict[CustomerId, str]:
    return assign_addresses(
        EmailClaim(CustomerId(f"cus_{n}"), email, NOW - 5000 + n, deleted=False)
        for n, email in emails.items()
    )


async def _emails(sql: Any) -> dict[CustomerId, str]:
    rows = await sql.fetch("SELECT stripe_customer_id, email FROM users")
    return {row["stripe_customer_id"]: row["email"] for row in rows}


async def _counted(column: str, sql: Any, *stores: Store) -> int:
    """Read a counter of the database; a session reports its own when it ends."""
    await asyncio.gather(*(store.close() for store in stores))
    found = await sql.fetchval(f"SELECT {column} FROM pg_stat_database WHERE datname = current_database()")
    return int(found)


async def _until_waiting(sql: Any, sessions: int) -> None:
    """Wait until so many sessions wait for a lock."""
    async with asyncio.timeout(10):
        while (  # noqa: ASYNC110 - another session waits, and tells nobody
            await sql.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            < sessions
        ):
            await asyncio.sleep(0.01)
