"""`cogento run` as people and programs use it: ready, restarting, stopped, killed, started again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from cogento.local.services import ROOT
from tests.support import servers
from tests.support.local_run import (
    COGENTO_RUN,
    NOTHING_GIVEN,
    STOP_SECONDS,
    LocalRun,
    wait_until_gone,
)
from tests.support.pages import Ended, clone_beside, commands_of, follow

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_STREAMS = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")


def refused(*options: str, **given: str) -> str:
    """Start a `cogento run` that must not come up, and return what it said."""
    ended = subprocess.run(
        [*COGENTO_RUN, "--no-simulate", *options],
        cwd=ROOT,
        env=os.environ | NOTHING_GIVEN | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    return ended.stderr


@pytest.fixture(scope="module")
def shared_run() -> Iterator[LocalRun]:
    """One run for the tests that leave it running."""
    home = servers.make_home()
    run = LocalRun(home / "data", "--no-simulate", given={"CHANGES": "on"}).until_ready()
    yield run
    run.end()
    shutil.rmtree(home)


@pytest.fixture
def data() -> Iterator[Path]:
    home = servers.make_home()
    yield home / "data"
    shutil.rmtree(home)


def test_run_json_says_where_everything_is(shared_run: LocalRun) -> None:
    facts = shared_run.facts

    assert {"postgres", "valkey", "receiver", "worker"} <= facts["pids"].keys()
    assert all(map(servers.is_alive, facts["pids"].values()))
    assert urlsplit(facts["receiver_url"]).path == "/webhooks/stripe"
    assert facts["webhook_secret"].startswith("whsec_")
    with (
        psycopg.connect(facts["database_url"]) as connection,
        redis.Redis.from_url(facts["redis_url"]) as client,
    ):
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)
        assert client.config_get("appendfsync") == {"appendfsync": "always"}


def test_changes_are_kept_where_the_environment_says_so(shared_run: LocalRun) -> None:
    with psycopg.connect(shared_run.facts["database_url"]) as connection:
        kept = connection.execute("SELECT is_on FROM cogento_internal.change_feed").fetchone()
    assert kept == (True,)


def test_the_receiver_is_ready_when_run_json_appears(shared_run: LocalRun) -> None:
    place = urlsplit(shared_run.facts["receiver_url"])
    connection = HTTPConnection(place.netloc, timeout=5)

    connection.request("GET", "/readyz")

    assert json.loads(connection.getresponse().read()) == {"status": "ready", "ack_durability": "redis_fsync"}
    connection.close()


def test_nobody_else_can_read_the_secrets(shared_run: LocalRun) -> None:
    kept = [
        shared_run.data / name
        for name in ("run.json", "webhook_secret", "postgres/password", "valkey/valkey.conf")
    ]

    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}


def test_the_servers_listen_on_this_machine_only(shared_run: LocalRun) -> None:
    ports = {urlsplit(shared_run.facts[url]).port for url in ("receiver_url", "database_url", "redis_url")}

    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]

    listening = [local.split(":") for _, local, _, state, *_ in sockets if state == "0A"]
    assert {address for address, port in listening if int(port, 16) in ports} == {"0100007F"}


def test_it_shows_where_to_look_and_how_things_stand(shared_run: LocalRun) -> None:
    servers.wait_until(
        lambda: "received 0 · processed 0 (applied 0) · waiting 0 · dead 0" in shared_run.output.read_text(),
        what="the live line",
    )

    assert shared_run.facts["receiver_url"] in shared_run.output.read_text()


@pytest.mark.parametrize("name", ["worker", "receiver", "valkey", "postgres"])
def test_what_is_killed_is_started_again_and_run_json_says_so(shared_run: LocalRun, name: str) -> None:
    before = shared_run.facts["pids"][name]

    os.kill(before, signal.SIGKILL)

    servers.wait_until(
        lambda: shared_run.facts["pids"].get(name, before) != before, what=f"another {name}", seconds=20
    )
    assert servers.is_alive(shared_run.facts["pids"][name])


def test_a_second_run_on_the_same_data_is_told_who_has_it(shared_run: LocalRun) -> None:
    said = refused("--data", str(shared_run.data))

    assert f"already in use by another process (process {shared_run.process.pid})" in said
    assert shared_run.facts["pid"] == shared_run.process.pid


def test_a_port_that_was_asked_for_and_is_taken_is_one_clear_line(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        said = refused("--data", str(data), "--port", port)

    assert f"port {port} can't be listened on" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "url"),
    [("DATABASE_URL", "postgresql://127.0.0.1:1/none"), ("REDIS_URL", "redis://127.0.0.1:1/0")],
)
def test_a_server_that_was_named_and_is_away_is_one_clear_line(data: Path, name: str, url: str) -> None:
    said = refused("--data", str(data), **{name: url})

    assert name in said
    assert len(said.splitlines()) == 1


def stop(run: LocalRun, asked: signal.Signals) -> None:
    """Ask it to stop, and see that everything has stopped soon after."""
    family = run.family()
    begun = time.monotonic()

    os.killpg(run.process.pid, asked)

    assert run.process.wait(STOP_SECONDS)
    assert run.process.exit_code() == 0
    assert time.monotonic() - begun < STOP_SECONDS
    assert not any(map(servers.is_alive, family))
    assert not (run.data / "run.json").exists()


def test_it_can_be_stopped_while_it_starts(data: Path) -> None:
    run = LocalRun(data, "--no-simulate")
    servers.wait_until(lambda: len(run.family()) > 1, what="the first server to start")
    family = run.family()

    run.process.send(signal.SIGTERM)

    assert run.process.wait(STOP_SECONDS)
    assert run.process.exit_code() == 0
    wait_until_gone(family)


@dataclass(frozen=True)
class Succession:
    """A run that was killed, what it had, and the run that follows it on the same data."""

    family: list[int]
    facts: dict[str, Any]
    following: LocalRun


@pytest.fixture(scope="module")
def succession() -> Iterator[Succession]:
    """The first run has neither input nor output, the second a simulated Stripe."""
    home = servers.make_home()
    killed = LocalRun(home / "data", "--no-simulate", through=NO_STREAMS).until_ready()
    family, facts = killed.family(), killed.facts
    with psycopg.connect(facts["database_url"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    killed.kill_alone()
    following = LocalRun(home / "data", "--rate", "20").until_ready()
    yield Succession(family, facts, following)
    following.end()
    shutil.rmtree(home)


def test_it_needs_neither_input_nor_output(succession: Succession) -> None:
    assert {"postgres", "valkey", "receiver", "worker"} <= succession.facts["pids"].keys()


def test_a_killed_run_leaves_no_orphans_and_its_data_to_the_next_run(succession: Succession) -> None:
    facts = succession.following.facts
    wait_until_gone(succession.family)
    assert facts["webhook_secret"] == succession.facts["webhook_secret"]
    assert facts["pids"]["postgres"] not in succession.family
    with psycopg.connect(facts["database_url"]) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


@pytest.fixture(scope="module")
def toured(succession: Succession) -> list[Ended]:
    """What README's first commands and those of docs/tour.md said, beside the run with a simulated Stripe."""
    run = succession.following
    with psycopg.connect(run.facts["database_url"], autocommit=True) as connection:
        servers.wait_until(
            lambda: connection.execute("SELECT count(*) > 20 FROM subscriptions").fetchone() == (True,),
            what="rows",
            seconds=30,
        )
    page = [*commands_of("README.md", below="Try it"), *commands_of("docs/tour.md")]
    return follow(page, run, clone_beside(run, run.data.with_name("clone")))


def said(toured: list[Ended], start: str) -> list[str]:
    return [ended.output for ended in toured if ended.command.startswith(start)]


def test_every_command_of_the_readme_and_the_tour_works(toured: list[Ended]) -> None:
    assert [ended for ended in toured if ended.exit_code != 0] == []
    assert len(toured) > 14


def test_the_tour_shows_what_its_page_says(toured: list[Ended]) -> None:
    _, paused, resumed = said(toured, ".venv/bin/cogento status")

    assert "all paused" in paused
    assert "all paused" not in resumed
    assert "@example.com" in said(toured, "make psql")[0]
    assert "malformed" in said(toured, ".venv/bin/cogento letters list")[0]
    assert " rows, 0 differences" in said(toured, "make compare")[0]


def test_the_simulated_stripe_makes_rows_arrive_and_everything_stops_soon_after_ctrl_c(
    succession: Succession,
) -> None:
    run = succession.following
    with psycopg.connect(run.facts["database_url"], autocommit=True) as connection:
        servers.wait_until(
            lambda: connection.execute("SELECT count(*) > 5 FROM users").fetchone() == (True,),
            what="rows",
            seconds=20,
        )

    assert servers.is_alive(run.facts["pids"]["stripe"])
    stop(run, signal.SIGINT)


def test_everything_has_stopped_soon_after_sigterm(shared_run: LocalRun) -> None:
    stop(shared_run, signal.SIGTERM)


def test_a_process_that_can_not_start_is_quoted(shared_run: LocalRun) -> None:
    shared_run.end()

    said = refused("--data", str(shared_run.data), FLASK_DEBUG="1")

    assert "receiver | cogento: FLASK_DEBUG must not be set" in said
