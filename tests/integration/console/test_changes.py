"""`cogento changes` and the switch of `cogento migrate`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cogento.cli.main import main
from cogento.store.migrate import migrate
from tests.support.builders import customer, subscription
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.console.conftest import Run
    from tests.support.stores import Happened


@pytest.fixture
def announcing(database_url: str) -> None:
    migrate(database_url, changes=True)


@pytest.mark.usefixtures("announcing")
def test_changes_are_listed_a_line_each(run: Run, applied: Happened) -> None:
    applied("customer.created", customer("cus_1"), id_="evt_1")
    applied(
        "customer.subscription.created",
        subscription("sub_1", customer="cus_1", status="trialing"),
        id_="evt_2",
    )
    ended = subscription("sub_1", customer="cus_1", status="canceled")
    applied("customer.subscription.deleted", ended, id_="evt_3", created=2_000_000_000)

    lines = run("changes").output.splitlines()

    assert [line.split("  ", 2)[2] for line in lines] == [
        "customer insert  cus_1",
        "subscription insert  sub_1  status none -> trialing",
        "subscription update  sub_1  status trialing -> canceled  status",
    ]


@pytest.mark.usefixtures("announcing")
def test_json_is_an_object_a_line_and_after_goes_on_from_one(run: Run, applied: Happened) -> None:
    applied("customer.created", customer("cus_1"), id_="evt_1")
    applied("customer.created", customer("cus_2"), id_="evt_2")

    first = json.loads(run("changes", "--json", "--limit", "1").output)
    rest = run("changes", "--json", "--after", str(first["change_id"])).output.splitlines()

    assert (first["customer_id"], first["event_id"], first["columns"]) == ("cus_1", "evt_1", [])
    assert [json.loads(line)["customer_id"] for line in rest] == ["cus_2"]


@pytest.mark.usefixtures("announcing")
def test_following_shows_each_change_as_it_comes_until_it_is_interrupted(
    run: Run, applied: Happened, tmp_path: Path
) -> None:
    applied("customer.created", customer("cus_1"), id_="evt_1")
    seen = json.loads(run("changes", "--json").output)["change_id"]
    said, complaints = tmp_path / "said", tmp_path / "complaints"
    # Who runs tests in the background has them ignore what Ctrl-C sends, and so would this.
    hears_it = ("env", "--default-signal=INT")
    command = [
        *hears_it,
        sys.executable,
        "-m",
        "cogento",
        "changes",
        "--follow",
        "--json",
        "--after",
        str(seen),
    ]
    with said.open("w") as out, complaints.open("w") as err:
        following = subprocess.Popen(command, stdout=out, stderr=err)

        applied("customer.created", customer("cus_2"), id_="evt_2")
        wait_until(lambda: "cus_2" in said.read_text(), what="the first change")
        applied("customer.created", customer("cus_3"), id_="evt_3")
        wait_until(lambda: "cus_3" in said.read_text(), what="the second change")
        following.send_signal(signal.SIGINT)
        following.wait()

    assert [json.loads(line)["customer_id"] for line in said.read_text().splitlines()] == ["cus_2", "cus_3"]
    assert "Traceback" not in complaints.read_text()


@pytest.mark.usefixtures("announcing")
def test_where_nothing_has_changed_it_says_so(run: Run) -> None:
    result = run("changes")
    assert result.exit_code == 0
    assert result.output.startswith("Nothing has changed after change ")
    assert run("changes", "--json").output == ""


def test_where_none_are_kept_it_says_how_to_switch_them_on(run: Run) -> None:
    result = run("changes")
    assert result.exit_code == 1
    assert "CHANGES=on cogento migrate" in result.output


@pytest.mark.usefixtures("announcing")
def test_a_position_that_is_gone_is_named(run: Run) -> None:
    result = run("changes", "--after", "0")
    assert result.exit_code == 1
    assert "changes after 0 are not all there" in result.output


@pytest.mark.parametrize(
    ("switch", "said"), [("on", "is kept and announced"), ("off", "is not kept"), ("", "revision")]
)
def test_the_migration_says_what_it_has_switched(
    database_url: str, monkeypatch: pytest.MonkeyPatch, switch: str, said: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CHANGES", switch)
    result = CliRunner().invoke(main, ["migrate"], prog_name="cogento")
    assert result.exit_code == 0
    assert said in result.output.splitlines()[-1]


def test_it_is_switched_on_beside_a_local_run_as_the_page_says(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".data").mkdir()
    (tmp_path / ".data" / "run.json").write_text(json.dumps({"database_url": database_url}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHANGES", "on")
    result = CliRunner().invoke(main, ["migrate"], prog_name="cogento")
    assert result.output.splitlines()[-1] == "What changes in them is kept and announced (CHANGES)."


def test_a_switch_that_is_neither_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CHANGES", "sometimes")
    result = CliRunner().invoke(main, ["migrate"], prog_name="cogento")
    assert result.exit_code == 78
