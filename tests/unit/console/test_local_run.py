from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from cogento.console.local_run import adopt_local_run, data_option

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

RUN = {
    "database_url": "postgresql://here/cogento",
    "redis_url": "redis://here/0",
    "ack_durability": "redis_fsync",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which `cogento run` runs, as its run.json says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".data").mkdir()
    (tmp_path / ".data" / "run.json").write_text(json.dumps(RUN))
    return tmp_path


def test_a_command_beside_a_run_talks_to_its_servers() -> None:
    environment: dict[str, str] = {}
    adopt_local_run(environment)
    assert environment == {
        "DATABASE_URL": RUN["database_url"],
        "REDIS_URL": RUN["redis_url"],
        "ACK_DURABILITY": "redis_fsync",
    }


def test_a_command_beside_a_simulated_stripe_asks_that_one(folder: Path) -> None:
    stripe = {"stripe_api_url": "http://127.0.0.1:9000", "stripe_api_key": "sk_test_simulated"}
    (folder / ".data" / "run.json").write_text(json.dumps(RUN | stripe))
    environment: dict[str, str] = {}
    adopt_local_run(environment)
    assert environment["STRIPE_API_BASE"] == "http://127.0.0.1:9000"
    assert environment["STRIPE_API_KEY"] == "sk_test_simulated"


def test_a_key_that_is_given_is_not_sent_to_a_simulated_stripe(folder: Path) -> None:
    stripe = {"stripe_api_url": "http://127.0.0.1:9000", "stripe_api_key": "sk_test_simulated"}
    (folder / ".data" / "run.json").write_text(json.dumps(RUN | stripe))
    environment = {"STRIPE_API_KEY": "rk_test_mine"}
    adopt_local_run(environment)
    assert "STRIPE_API_BASE" not in environment


def test_what_the_run_promises_goes_along_with_its_redis() -> None:
    environment = {"REDIS_URL": RUN["redis_url"]}
    adopt_local_run(environment)
    assert environment == {"REDIS_URL": RUN["redis_url"], "ACK_DURABILITY": "redis_fsync"}


def test_an_environment_that_names_any_server_is_left_alone() -> None:
    environment = {"REDIS_URL": "redis://production/0"}
    adopt_local_run(environment)
    assert environment == {"REDIS_URL": "redis://production/0"}


def test_without_a_run_nothing_is_made_up(folder: Path) -> None:
    (folder / ".data" / "run.json").unlink()
    environment: dict[str, str] = {}
    adopt_local_run(environment)
    assert environment == {}


def chosen(folder: Path, environment: dict[str, str]) -> Result:
    """Adopt a run from within a command that was given --data."""

    @click.command(params=[data_option()])
    def command() -> None:
        adopt_local_run(environment)

    return CliRunner().invoke(command, ["--data", str(folder)])


def test_the_run_that_data_names_counts_before_the_environment(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "run.json").write_text(json.dumps({**RUN, "redis_url": "redis://other/0"}))
    environment = {"REDIS_URL": "redis://elsewhere/0", "ACK_DURABILITY": "redis"}
    assert chosen(other, environment).exit_code == 0
    assert environment == {
        "DATABASE_URL": RUN["database_url"],
        "REDIS_URL": "redis://other/0",
        "ACK_DURABILITY": "redis_fsync",
    }


def test_a_data_folder_in_which_nothing_runs_is_refused_with_what_to_do(tmp_path: Path) -> None:
    environment = {"REDIS_URL": "redis://elsewhere/0"}
    refused = chosen(tmp_path, environment)
    assert refused.exit_code == 1
    assert "it has no run.json. Start `cogento run --data" in refused.stderr
    assert environment == {"REDIS_URL": "redis://elsewhere/0"}
