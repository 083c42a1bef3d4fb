"""One worker for several accounts: each one's events reach its own tables, and a fault of one account does not hold up another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis

from cogento import runtime
from cogento.database_schema import with_schema
from cogento.queue.circuit import Dependency
from cogento.store import database
from cogento.store.migrate import migrate
from tests.support.accounts import NAMES, Accounts
from tests.support.mailbox_builders import claim
from tests.support.running_worker import RunningWorker
from tests.support.servers import wait_until
from tests.support.simulated_stripe import SimulatedStripe
from tests.support.stripe_histories import START
from tests.support.worker_here import WorkerHere
from worker.process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


TURNS = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND application_name = 'cogento worker asks' AND datname = current_database()
"""


@pytest.fixture
def accounts(redis_url: str, accounts_url: str) -> Iterator[Accounts]:
    made = Accounts(redis_url, accounts_url)
    yield made
    made.close()


@pytest.fixture
def stripe() -> Iterator[SimulatedStripe]:
    """The account at Stripe of `us`."""
    simulated = SimulatedStripe(api_key="rk_test_us")
    yield simulated
    simulated.close()


@pytest.fixture
def start_worker(accounts: Accounts) -> Iterator[Callable[..., WorkerHere]]:
    started: list[WorkerHere] = []

    def start(**given: Any) -> WorkerHere:
        worker = WorkerHere(runtime.run(WorkerProcess.open(*accounts.settings(**given))))
        started.append(worker)
        worker.start()
        return worker

    yield start
    for worker in started:
        worker.stop()


def test_same_customer_of_each_account_has_its_own_row_in_each(
    accounts: Accounts, start_worker: Callable[..., WorkerHere]
) -> None:
    ids = {name: accounts.put(name, id_="evt_1") for name in NAMES}
    start_worker()
    wait_until(accounts.are_done, what="all accounts' events to be processed")
    assert {name: accounts.emails(name) for name in NAMES} == {
        name: {f"cus_1@{name}.example"} for name in NAMES
    }
    ledgers = {name: accounts.rows(name, "SELECT event_id, outcome FROM webhook_events") for name in NAMES}
    assert ledgers == {name: [(ids[name], "applied")] for name in NAMES}


def test_address_that_two_accounts_have_is_each_ones_own(
    accounts: Accounts, start_worker: Callable[..., WorkerHere]
) -> None:
    accounts.put("eu", "cus_1", email="ada@example.com")
    accounts.put("us", "cus_2", email="ada@example.com")
    start_worker()
    wait_until(accounts.are_done, what="both accounts' events to be processed")
    assert (accounts.emails("eu"), accounts.emails("us")) == ({"ada@example.com"}, {"ada@example.com"})


def test_dead_letter_lies_in_its_own_accounts_tables(
    accounts: Accounts, start_worker: Callable[..., WorkerHere]
) -> None:
    id_ = accounts.put_malformed("eu")
    start_worker()
    wait_until(accounts.are_done, what="the event to be given up")
    assert {name: accounts.rows(name, "SELECT event_id FROM dead_letters") for name in NAMES} == {
        **{name: [] for name in NAMES},
        "eu": [(id_,)],
    }


def test_account_without_tables_keeps_its_events_and_holds_up_no_other(
    accounts: Accounts, start_worker: Callable[..., WorkerHere]
) -> None:
    with psycopg.connect(accounts.database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA stripe_eu, stripe_eu_internal CASCADE")
    for name in NAMES:
        accounts.put(name)
    start_worker()
    wait_until(lambda: accounts.are_done("default", "us", "asia"), what="the other accounts' events")
    accounts.put("us", "cus_2")
    wait_until(lambda: accounts.are_done("us"), what="what comes after it")
    assert accounts.mailboxes["eu"].status().waiting == 1
    wait_until(
        lambda: bool(accounts.mailboxes["eu"].circuit(Dependency.POSTGRES).read()),
        what="the account's own circuit to open",
    )
    assert not accounts.mailboxes["us"].circuit(Dependency.POSTGRES).read()

    migrate(with_schema(accounts.database_url, "stripe_eu"))
    wait_until(lambda: accounts.are_done("eu"), what="its events once it has tables", seconds=60)
    assert accounts.emails("eu") == {"cus_1@eu.example"}


def test_account_whose_key_is_refused_says_so_and_holds_up_no_other(
    accounts: Accounts, stripe: SimulatedStripe, start_worker: Callable[..., WorkerHere]
) -> None:
    accounts.api_keys = {"eu": "rk_test_revoked", "us": "rk_test_us"}
    stripe.account.begin(stripe.customer("cus_missed"), at=START)
    accounts.put("eu")
    start_worker(stripe_api_base=stripe.url)
    wait_until(
        lambda: accounts.emails("us") == {"cus_missed@example.com"}, what="what no webhook of us's brought"
    )
    wait_until(accounts.mailboxes["eu"].key_refusal.is_recent, what="the refusal of eu's key")
    wait_until(lambda: accounts.emails("eu") == {"cus_1@eu.example"}, what="what eu's webhooks brought")
    refused = {name: accounts.mailboxes[name].key_refusal.is_recent() for name in NAMES}
    assert refused == {**dict.fromkeys(NAMES, False), "eu": True}


def test_account_whose_tables_are_locked_leaves_a_loop_for_the_others(
    accounts: Accounts, start_worker: Callable[..., WorkerHere]
) -> None:
    with psycopg.connect(accounts.database_url) as connection:
        connection.execute("LOCK TABLE stripe_eu.users IN ACCESS EXCLUSIVE MODE")
        accounts.put("eu")
        start_worker(worker_concurrency=2)
        wait_until(
            lambda: accounts.mailboxes["eu"].status().leased == 1, what="a worker to run into the lock"
        )
        for number in range(20):
            accounts.put("us", f"cus_{number}")
            wait_until(lambda: accounts.are_done("us"), what="the other account's event", seconds=20)
        assert accounts.mailboxes["eu"].status().waiting == 1
    wait_until(lambda: accounts.are_done("eu"), what="its events once nobody holds its tables", seconds=60)


def test_account_that_is_added_while_its_events_wait_is_served_beside_workers_that_do_not_know_it(
    accounts: Accounts, start_worker: Callable[..., WorkerHere]
) -> None:
    with psycopg.connect(accounts.database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA stripe_eu, stripe_eu_internal CASCADE")
    accounts.put("default")
    accounts.put("eu")
    start_worker(names=())  # as before there was a second account
    wait_until(lambda: accounts.are_done("default"), what="what waited before")
    untouched = keys_of(accounts, "eu")

    migrate(with_schema(accounts.database_url, "stripe_eu"))
    start_worker(names=("default", "eu"))
    wait_until(lambda: accounts.are_done("eu"), what="the new account's events")
    accounts.put("default", "cus_2")
    wait_until(lambda: accounts.are_done("default"), what="what came since")
    assert {"{cogento:eu:0}:mail:cus_1", "{cogento:eu:0}:event:evt_eu_cus_1"} <= untouched.keys()
    assert not [key for key in untouched if key.endswith((":leases", ":workers", ":delays"))]
    assert accounts.emails("eu") == {"cus_1@eu.example"}
    applied = "SELECT event_id, outcome FROM webhook_events ORDER BY event_id"
    assert accounts.rows("default", applied) == [
        ("evt_default_cus_1", "applied"),
        ("evt_default_cus_2", "applied"),
    ]


def test_account_that_is_taken_out_while_its_events_wait_goes_on_where_it_was_when_its_name_comes_back(
    accounts: Accounts, start_worker: Callable[..., WorkerHere]
) -> None:
    former = start_worker()
    accounts.put("eu", "cus_0")
    wait_until(accounts.are_done, what="an event before")
    former.stop()
    accounts.put("eu", "cus_1")
    claim(accounts.mailboxes["eu"], lease_seconds=0.1)  # of a worker that died with it
    accounts.put("eu", "cus_2")
    accounts.put("us")
    before = keys_of(accounts, "eu"), accounts.rows("eu", "SELECT * FROM users")

    without = start_worker(names=("default", "us"))
    wait_until(lambda: accounts.are_done("us"), what="the others' events")
    assert (keys_of(accounts, "eu"), accounts.rows("eu", "SELECT * FROM users")) == before
    without.stop()

    start_worker()
    wait_until(lambda: accounts.are_done("eu"), what="what had waited")
    assert accounts.emails("eu") == {f"cus_{number}@eu.example" for number in range(3)}
    assert accounts.rows("eu", "SELECT DISTINCT outcome, count(*) OVER () FROM webhook_events") == [
        ("applied", 3)
    ]


def keys_of(accounts: Accounts, name: str) -> dict[str, bytes | None]:
    """Everything that Redis keeps for a named account."""
    with redis.Redis.from_url(accounts.redis_url) as client:
        return {key.decode(): client.dump(key) for key in client.scan_iter(f"{{cogento:{name}:*")}


def test_worker_of_several_accounts_with_keys_waits_for_no_turn_of_its_own_when_it_stops(
    accounts: Accounts,
    stripe: SimulatedStripe,
    start_worker: Callable[..., WorkerHere],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "CLOSE_SECONDS", 3600)
    accounts.api_keys = {name: f"rk_test_{name}" for name in NAMES}
    worker = start_worker(stripe_api_base=stripe.url)
    wait_until(lambda: accounts.rows("us", TURNS) == [(len(NAMES),)], what="each account's turn to be taken")
    runtime.run(worker.looped.stop(), timeout_seconds=30)
    assert accounts.rows("us", TURNS) == [(0,)]


def test_connections_are_as_many_as_one_account_has(
    accounts: Accounts, start_worker: Callable[..., WorkerHere]
) -> None:
    start_worker(worker_concurrency=2)
    for number in range(100):
        accounts.put(NAMES[number % len(NAMES)], f"cus_{number}")
    wait_until(accounts.are_done, what="all events to be processed")
    with psycopg.connect(accounts.database_url) as connection:
        rows = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cogento worker' "
            "AND datname = current_database()"
        ).fetchall()
    assert 1 <= rows[0][0] <= 3


def test_worker_is_seen_by_each_account_and_counts_its_work_for_it(
    accounts: Accounts, start_worker: Callable[..., WorkerHere]
) -> None:
    worker = start_worker()
    accounts.put("us")
    wait_until(accounts.are_done, what="the event to be processed")
    seen = [len(accounts.mailboxes[name].workers.seen()) for name in NAMES]
    worker.stop()
    counted = {
        name: sum(
            count for field, count in accounts.mailboxes[name].workers.delays().items() if "batches" in field
        )
        for name in NAMES
    }
    assert seen == [1, 1, 1, 1]
    assert counted == {"default": 0, "eu": 0, "us": 1, "asia": 0}


@pytest.mark.parametrize("failpoint", ["after_commit@2=kill", "before_settle@2=kill", "before_commit@2=kill"])
def test_worker_killed_between_two_accounts_commits_loses_and_doubles_nothing(
    accounts: Accounts, tmp_path: Path, failpoint: str
) -> None:
    for number in range(3):
        for name in NAMES:
            accounts.put(name, f"cus_{number}")
    killed = RunningWorker(
        accounts.redis_url,
        accounts.database_url,
        tmp_path / "killed.log",
        FAILPOINTS=failpoint,
        **accounts.environment(),
    )
    killed.await_death(seconds=60)
    assert not accounts.are_done()

    second = RunningWorker(
        accounts.redis_url, accounts.database_url, tmp_path / "second.log", **accounts.environment()
    )
    try:
        wait_until(accounts.are_done, what="the next worker to finish", seconds=60)
    finally:
        second.process.stop(within_seconds=30)
    expected = {name: {f"cus_{number}@{name}.example" for number in range(3)} for name in NAMES}
    assert {name: accounts.emails(name) for name in NAMES} == expected
    once = "SELECT count(*), count(DISTINCT event_id) FROM webhook_events WHERE outcome = 'applied'"
    assert {name: accounts.rows(name, once) for name in NAMES} == {name: [(3, 3)] for name in NAMES}
