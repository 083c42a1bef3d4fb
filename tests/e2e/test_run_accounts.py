"""`cogento run --accounts 3`: the rows of each account arrive in a schema of their own, and commands find each account."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support import servers
from tests.support.builders import body, customer, event
from tests.support.local_run import NOTHING_GIVEN, LocalRun
from tests.support.looped import LoopedMailboxes
from tests.support.pages import Ended, clone_beside, commands_of, follow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMAS = {"default": "public", "shop2": "stripe_shop2", "shop3": "stripe_shop3"}
CUSTOMERS = "SELECT stripe_customer_id FROM {}.users WHERE deleted_at IS NULL"


def customers(run: LocalRun, account: str) -> set[str]:
    with psycopg.connect(run.facts["database_url"]) as connection:
        asked = CUSTOMERS.format(SCHEMAS[account]).encode()
        return {id_ for (id_,) in connection.execute(asked).fetchall()}


def received_by(run: LocalRun) -> int:
    """How many events the status line says were received, of all accounts."""
    return int(re.findall(r"received ([\d,]+)", run.output.read_text())[-1].replace(",", ""))


@pytest.fixture(scope="module")
def run() -> Iterator[LocalRun]:
    """A run whose accounts have some rows each."""
    home = servers.make_home()
    started = LocalRun(home / "data", "--accounts", "3", "--rate", "30", "--customers", "40")
    started.until_ready()
    servers.wait_until(
        lambda: min(len(customers(started, name)) for name in SCHEMAS) > 5, what="rows", seconds=60
    )
    yield started
    started.end()
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def beside(run: LocalRun) -> Path:
    """The folder in which it was started."""
    return clone_beside(run, run.data.with_name("clone"))


def python(folder: Path, module: str, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run a module of ours, as in a second terminal."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=os.environ | NOTHING_GIVEN | given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_says_where_the_webhooks_of_each_account_go(run: LocalRun) -> None:
    accounts = run.facts["accounts"]

    assert accounts.keys() == SCHEMAS.keys()
    assert {name: one["database_schema"] for name, one in accounts.items()} == SCHEMAS
    assert accounts["shop2"]["receiver_url"] == f"{run.facts['receiver_url']}/shop2"
    assert [one["receiver_url"] in run.output.read_text() for one in accounts.values()] == [True] * 3


@pytest.fixture(scope="module")
def tried(run: LocalRun, beside: Path) -> dict[str, Ended]:
    """What the commands of the page said, each by its first words."""
    page = commands_of("docs/accounts.md", below="Try it on your machine")
    return {ended.command.split(" SQL=")[0]: ended for ended in follow(page, run, beside)}


def test_every_command_of_the_page_works(tried: dict[str, Ended]) -> None:
    assert [ended for ended in tried.values() if ended.exit_code != 0] == []
    assert tried.keys() == {
        ".venv/bin/cogento status --account shop2",
        "make psql",
        "make psql COGENTO_ACCOUNT=shop2",
        "make compare",
        ".venv/bin/cogento send tests/data/stripe_events --account shop3",
    }


def test_rows_of_each_account_are_those_of_its_own_simulated_account(
    run: LocalRun, tried: dict[str, Ended]
) -> None:
    compared = tried["make compare"].output

    found = re.findall(r"^account (\w+)\n(\d+) rows, 0 differences", compared, re.MULTILINE)
    assert [name for name, _ in found] == list(SCHEMAS)
    assert min(int(rows) for _, rows in found) > 10
    assert customers(run, "shop2") & customers(run, "shop3") == set()


def test_status_is_that_of_the_account_that_is_chosen(beside: Path) -> None:
    paused = python(beside, "cogento", "pause", "--all", "--account", "shop2")
    shown = [python(beside, "cogento", "status", "--account", name, "--json") for name in ("shop2", "shop3")]
    resumed = python(beside, "cogento", "resume", "--all", "--account", "shop2")

    assert (paused.returncode, resumed.returncode) == (0, 0)
    assert [json.loads(one.stdout)["everything_paused"] for one in shown] == [True, False]


def test_status_line_adds_up_all_accounts(run: LocalRun) -> None:
    mailboxes = LoopedMailboxes.connect(run.facts["redis_url"], ack=None)
    received = sum(mailboxes.of_account(name).status().counters.accepted for name in SCHEMAS)
    mailboxes.close()

    # Meanwhile a third of the events is one account's: by itself it would need longer than all of this has taken.
    servers.wait_until(lambda: received_by(run) >= received, what="that many events", seconds=15)


def test_settings_of_every_account_are_found_good(beside: Path) -> None:
    checked = json.loads(python(beside, "cogento", "check", "--json").stdout)["accounts"]

    found = {
        (name, one["grade"]) for name in checked for one in checked[name] if one["subject"] == "settings"
    }
    assert found == {(name, "good") for name in SCHEMAS}


@pytest.mark.parametrize(
    ("given", "schema"), [({}, "public"), ({"COGENTO_ACCOUNT": "shop2"}, "stripe_shop2")]
)
def test_psql_finds_the_tables_of_the_account_that_is_chosen(
    beside: Path, given: dict[str, str], schema: str
) -> None:
    asked = python(beside, "tools.psql", "-tAc", "SELECT current_schema()", **given)

    assert (asked.returncode, asked.stdout.strip()) == (0, schema)
    assert "shop3 in stripe_shop3" in asked.stderr


def test_psql_refuses_an_account_that_the_run_has_not(beside: Path) -> None:
    refused = python(beside, "tools.psql", "-tAc", "SELECT 1", COGENTO_ACCOUNT="shop4")

    assert refused.returncode == 1
    assert "shop4 is no account of this run" in refused.stderr


def test_command_that_names_no_account_lists_them(beside: Path) -> None:
    refused = python(beside, "cogento", "status")

    assert refused.returncode == 78
    assert "STRIPE_ACCOUNTS names default, shop2, shop3" in refused.stderr


def test_customer_of_one_account_is_explained_in_that_one_and_in_no_other(
    run: LocalRun, beside: Path
) -> None:
    known = min(customers(run, "shop2"))

    explained = python(beside, "cogento", "explain", known, "--account", "shop2")
    unknown = python(beside, "cogento", "explain", known, "--account", "shop3")

    assert (explained.returncode, known in explained.stdout) == (0, True)
    assert unknown.returncode == 1


def test_event_that_is_sent_to_an_account_becomes_its_row_and_no_others(
    run: LocalRun, beside: Path, tmp_path: Path
) -> None:
    file = tmp_path / "event.json"
    file.write_bytes(body(event("customer.created", customer("cus_sent"))))

    sent = python(beside, "cogento", "send", str(file), "--account", "shop3")

    assert sent.returncode == 0, sent.stdout + sent.stderr
    servers.wait_until(lambda: "cus_sent" in customers(run, "shop3"), what="its row", seconds=30)
    assert "cus_sent" not in customers(run, "default") | customers(run, "shop2")


def test_account_is_asked_about_with_its_own_key(beside: Path) -> None:
    swept = python(beside, "cogento", "sweep", "--account", "shop3")

    assert swept.returncode == 0, swept.stderr
