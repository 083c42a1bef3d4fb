"""What the commands say when a server is away, is not what it should be, or is not configured."""

from __future__ import annotations

import json

import pytest

from cogento.events.names import CustomerId
from cogento.local.ports import free_port
from tests.integration.console.conftest import Run
from tests.support import builders
from tests.support.looped import LoopedMailboxes
from tests.support.stores import Happened

SECRET = "hunter2-canary"

every_command = pytest.mark.parametrize(
    "command", [("status",), ("explain", "cus_1"), ("roles", "list"), ("migrate",), ("pause", "--all")]
)
needs_postgres = pytest.mark.parametrize(
    "command", [("status",), ("explain", "cus_1"), ("roles", "list"), ("migrate",)]
)
needs_redis = pytest.mark.parametrize("command", [("status",), ("explain", "cus_1"), ("pause", "--all")])


@needs_postgres
def test_postgres_away_is_one_line_that_says_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://cogento:{SECRET}@127.0.0.1:{free_port()}/cogento")
    failed = run(*command)
    assert failed.exit_code == 1
    assert (
        failed.stderr
        == "Error: PostgreSQL is unreachable. Check that it runs and that DATABASE_URL is right.\n"
    )


@pytest.mark.parametrize("asked", ["cus_ada", "evt_a"])
def test_postgres_away_leaves_what_waits_to_be_told(
    run: Run, waiting: Happened, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    waiting("customer.updated", builders.customer("cus_ada"), id_="evt_a")
    monkeypatch.setenv("DATABASE_URL", f"postgresql://cogento:{SECRET}@127.0.0.1:{free_port()}/cogento")
    failed, programs = run("explain", asked), run("explain", asked, "--json")
    assert failed.exit_code == programs.exit_code == 1
    assert "1 event is waiting, the first for" in failed.stdout
    assert "The tables could not be read" in failed.stdout
    assert failed.stderr.startswith("Error: PostgreSQL is unreachable.")
    told = json.loads(programs.stdout)
    assert (told["customer_id"], told["records"], told["mailbox"]["waiting_total"]) == ("cus_ada", None, 1)


def test_postgres_away_and_nothing_waiting_is_told_as_that(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://cogento:{SECRET}@127.0.0.1:{free_port()}/cogento")
    assert "Nothing waits in the mailbox." in run("explain", "cus_ada").stdout


@pytest.mark.parametrize("asked", ["sub_ada", "ada@example.com", "evt_a"])
def test_postgres_away_tells_nothing_of_what_only_the_tables_know(
    run: Run, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://cogento:{SECRET}@127.0.0.1:{free_port()}/cogento")
    failed = run("explain", asked)
    assert (failed.exit_code, failed.stdout) == (1, "")


@needs_redis
def test_redis_away_is_one_line_that_says_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://:{SECRET}@127.0.0.1:{free_port()}/0")
    failed = run(*command)
    assert failed.exit_code == 1
    assert (
        failed.stderr
        == "Error: Redis is not reachable, or refuses the command. Check that it runs and that REDIS_URL is right.\n"
    )


@pytest.mark.parametrize("command", [("status",), ("explain", "cus_1"), ("roles", "list")])
def test_missing_database_is_a_matter_of_configuration(
    run: Run, monkeypatch: pytest.MonkeyPatch, database_url: str, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url.rsplit("/", 1)[0] + "/absent")
    assert run(*command).exit_code == 78


def test_missing_tables_ask_for_the_migration(
    run: Run, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    assert "Run `cogento migrate`" in run("status").stdout


@every_command
def test_missing_configuration_names_the_variable(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("REDIS_URL")
    failed = run(*command)
    assert failed.exit_code == 78
    assert "is not set; docs/settings.md says what it holds" in failed.stderr


def test_missing_servers_are_said_to_come_with_a_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("REDIS_URL")
    assert "or start `make run` in this folder" in run("status").stderr


def test_configuration_that_is_there_and_wrong_is_not_answered_with_another_way(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://")
    monkeypatch.setenv("MAILBOX_SHARDS", "none")
    assert "make run" not in run("status").stderr


@every_command
def test_wrong_url_is_refused_without_showing_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"mysql://cogento:{SECRET}@127.0.0.1/cogento")
    monkeypatch.setenv("REDIS_URL", f"http://:{SECRET}@127.0.0.1/0")
    failed = run(*command)
    assert failed.exit_code == 78
    assert SECRET not in failed.output


def test_status_shows_what_waits_while_postgres_is_away(
    run: Run, waiting: Happened, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting("customer.updated", builders.customer("cus_ada"), id_="evt_a")
    monkeypatch.setenv("DATABASE_URL", f"postgresql://cogento:{SECRET}@127.0.0.1:{free_port()}/cogento")
    failed, programs = run("status"), json.loads(run("status", "--json").stdout)
    assert "PostgreSQL  PostgreSQL is unreachable." in failed.stdout
    assert "\nwaiting                     1 event, the oldest for" in failed.stdout
    assert (programs["waiting"], programs["dead"], programs["level"]) == (1, None, "critical")
    assert programs["postgres_problem"] == "PostgreSQL is unreachable."


def test_status_shows_the_tables_while_redis_is_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://:{SECRET}@127.0.0.1:{free_port()}/0")
    failed = run("status")
    assert "Redis  Redis is unreachable." in failed.stdout
    assert "dead letters     0 open" in failed.stdout
    assert SECRET not in failed.output


def test_status_check_of_a_well_system_ends_with_0_and_says_no_more_than_that(run: Run) -> None:
    told = run("status", "--check")
    assert (told.exit_code, told.output) == (
        0,
        "OK: Ready for the first event.\n   Nothing has been received yet.\n",
    )


def test_status_check_ends_with_1_for_what_can_wait(run: Run, mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(CustomerId("cus_ada"), who="ops-1")
    told = run("status", "--check")
    assert (told.exit_code, told.output.startswith("WARNING: 1 thing needs attention.\n")) == (1, True)


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL"])
def test_status_check_ends_with_2_while_a_server_is_away(
    variable: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = "postgresql" if variable == "DATABASE_URL" else "redis"
    monkeypatch.setenv(variable, f"{scheme}://127.0.0.1:{free_port()}/0")
    told, programs = run("status", "--check"), run("status", "--check", "--json")
    assert (told.exit_code, programs.exit_code, told.stderr) == (2, 2, "")
    assert told.stdout.startswith("CRITICAL: 1 thing needs attention.\n")
    assert json.loads(programs.stdout)["level"] == "critical"


def test_status_check_ends_with_3_where_it_cannot_ask(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    assert run("status", "--check").exit_code == 3


def test_status_says_once_what_a_server_refuses(
    run: Run, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url.replace("://", "://nobody:wrong@"))
    told = run("status")
    whole = told.stdout + told.stderr
    assert (told.exit_code, whole.count("REDIS_URL"), whole.count("WRONGPASS")) == (78, 1, 0), whole
