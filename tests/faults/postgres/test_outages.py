"""Postgres restarts, stops, refuses writes or is full, while workers run: all wait, and no event spends an attempt on it."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from structlog.testing import capture_logs

from tests.support.postgres_mail import CUSTOMERS, await_quiet, names, put_names, why_open
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

    from cogento.local.postgres import Postgres
    from tests.support.checker import Checker
    from tests.support.post import Post
    from tests.support.proxy import Proxy
    from tests.support.running_worker import RunningWorker
    from tests.support.servers import RunningServer
    from worker.process import WorkerProcess

HOLD = """
CREATE FUNCTION hold() RETURNS TRIGGER LANGUAGE plpgsql AS
$$BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END$$;
CREATE TRIGGER hold AFTER INSERT OR UPDATE ON users FOR EACH STATEMENT EXECUTE FUNCTION hold();
"""
HELD = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
REFUSE = """
CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END$$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON users FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON write_probe FOR EACH STATEMENT EXECUTE FUNCTION refuse();
"""


@pytest.fixture
def running(postgres_server: RunningServer[Postgres]) -> Iterator[RunningServer[Postgres]]:
    """The server of all tests, which runs again when the test has ended."""
    yield postgres_server
    if postgres_server.process.exit_code() is not None:
        postgres_server.start()


@pytest.fixture(params=["fast", "immediate"])
def restart(request: pytest.FixtureRequest, running: RunningServer[Postgres]) -> Callable[[], None]:
    """Restart the server in one of two ways."""

    def immediate() -> None:
        running.process.send(signal.SIGQUIT)
        wait_until(lambda: running.process.exit_code() is not None, what="Postgres to end")
        running.start()

    return {"fast": running.restart, "immediate": immediate}[request.param]


@contextmanager
def read_only(tables: psycopg.Connection) -> Iterator[None]:
    """Let the whole server take no writes, as a standby does."""
    tables.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    tables.execute("SELECT pg_reload_conf()")
    yield
    tables.execute("ALTER SYSTEM RESET default_transaction_read_only")
    tables.execute("SELECT pg_reload_conf()")


def codes_of_opening(logs: list[MutableMapping[str, Any]]) -> list[str]:
    """Return why the circuit was opened, each time."""
    return [line["code"] for line in logs if line["event"] == "circuit_opened"]


def test_f26_a_restart_within_a_transaction_costs_no_attempt(
    restart: Callable[[], None],
    checker: Checker,
    post: Post,
    database_url: str,
    start_worker_here: Callable[[], WorkerProcess],
) -> None:
    with psycopg.connect(database_url, autocommit=True) as holder:
        holder.execute(HOLD)
        holder.execute("SELECT pg_advisory_lock(7)")
        accepted = put_names(post, 0, 1)
        start_worker_here()
        wait_until(
            lambda: holder.execute(HELD).fetchone() == (1,), what="a worker in the middle of a transaction"
        )
        restart()

    accepted += put_names(post, 2)
    await_quiet(post)

    assert names(post) == {"Name 2"}
    assert checker.judge(accepted=accepted).problems == ()


def test_f28_an_outage_is_waited_for_by_all_workers_and_then_everything_is_drained_in_order(
    checker: Checker,
    post: Post,
    running: RunningServer[Postgres],
    start_worker: Callable[[], RunningWorker],
) -> None:
    workers = [start_worker(), start_worker()]
    accepted = put_names(post, 0)
    await_quiet(post)

    running.stop()
    accepted += put_names(post, 1)
    wait_until(lambda: any(worker.lines("probe_failed") for worker in workers), what="a probe", seconds=20)
    accepted += put_names(post, 2, 3)
    assert post.mailboxes.status().waiting == 3 * CUSTOMERS
    running.start()
    await_quiet(post)

    assert names(post) == {"Name 3"}
    assert sum(len(worker.lines("circuit_recovering")) for worker in workers) == 1
    assert checker.judge(accepted=accepted).problems == ()


def test_f29_a_server_that_takes_no_writes_stops_workers_at_once_and_nobody_is_blamed(
    checker: Checker,
    post: Post,
    tables: psycopg.Connection,
    start_worker_here: Callable[[], WorkerProcess],
) -> None:
    start_worker_here()
    accepted = put_names(post, 0)
    await_quiet(post)

    with read_only(tables), capture_logs() as logs:
        accepted += put_names(post, 1)
        wait_until(lambda: bool(codes_of_opening(logs)), what="the circuit to open")
        assert why_open(post) == "25006"
    await_quiet(post)

    assert codes_of_opening(logs) == ["25006"]
    assert names(post) == {"Name 1"}
    assert checker.judge(accepted=accepted).problems == ()


def test_f38_a_full_disk_stops_workers_with_an_alarm_and_nothing_is_lost(
    checker: Checker,
    post: Post,
    tables: psycopg.Connection,
    start_worker_here: Callable[[], WorkerProcess],
) -> None:
    tables.execute(REFUSE.format(code="53100"))
    with capture_logs() as logs:
        accepted = put_names(post, 0, 1)
        start_worker_here()
        wait_until(lambda: why_open(post) == "53100", what="the circuit to open")
        wait_until(
            lambda: "probe_failed" in [line["event"] for line in logs], what="a probe to find it full as well"
        )

    tables.execute("DROP FUNCTION refuse CASCADE")
    await_quiet(post)

    assert ("circuit_opened", "error") in [(line["event"], line["log_level"]) for line in logs]
    assert names(post) == {"Name 1"}
    assert checker.judge(accepted=accepted).problems == ()


@pytest.mark.chaos
def test_f36_a_server_that_swallows_everything_stops_a_worker_that_can_still_be_ended(
    checker: Checker, post: Post, proxy: Proxy, start_worker: Callable[..., RunningWorker]
) -> None:
    worker = start_worker(DATABASE_URL=proxy.url)
    accepted = put_names(post, 0)
    await_quiet(post)

    proxy.black_hole()
    accepted += put_names(post, 1)
    wait_until(lambda: why_open(post) == "PostgresSilentError", what="the circuit to open", seconds=40)
    worker.process.ask_to_stop()
    assert worker.process.wait(25)
    assert post.mailboxes.status().ready == CUSTOMERS

    post.drain()
    assert checker.judge(accepted=accepted).problems == ()
