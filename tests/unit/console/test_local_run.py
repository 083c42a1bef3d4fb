from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from cogento.console.local_run import adopt_local_run, data_option, read_accounts

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

RUN = {
    "database_url": "postgresql://here/cogento",
    "redis_url": "redis://here/0",
    "ack_durability": "redis_fsync",
}


STRIPE = {"stripe_api_url": "http://127.0.0.1:9000", "stripe_api_key": "sk_test_simulated"}
SEVERAL = {
    **RUN,
    **STRIPE,
    "database_schema": "public",
    "accounts": {
        "default": {"database_schema": "public", "stripe_api_key": "sk_test_simulated"},
        "shop2": {"database_schema": "stripe_shop2", "stripe_api_key": "sk_test_simulated_shop2"},
    },
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
    (folder / ".data" / "run.json").write_text(json.dumps(RUN | STRIPE))
    environment: dict[str, str] = {}
    adopt_local_run(environment)
    assert environment["STRIPE_API_BASE"] == "http://127.0.0.1:9000"
    assert environment["STRIPE_API_KEY"] == "sk_test_simulated"


def test_a_key_that_is_given_is_not_sent_to_a_simulated_stripe(folder: Path) -> None:
    (folder / ".data" / "run.json").write_text(json.dumps(RUN | STRIPE))
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


def test_command_beside_a_run_of_several_accounts_knows_each(folder: Path) -> None:
    (folder / ".data" / "run.json").write_text(json.dumps(SEVERAL))
    environment = {"STRIPE_ACCOUNTS": "eu,us"}
    adopt_local_run(environment)
    assert environment == {
        "DATABASE_URL": RUN["database_url"],
        "REDIS_URL": RUN["redis_url"],
        "ACK_DURABILITY": "redis_fsync",
        "STRIPE_ACCOUNTS": "default,shop2",
        "STRIPE_API_BASE": "http://127.0.0.1:9000",
        "STRIPE_API_KEY": "sk_test_simulated",
        "STRIPE_API_KEY__SHOP2": "sk_test_simulated_shop2",
        "DATABASE_SCHEMA": "public",
        "DATABASE_SCHEMA__SHOP2": "stripe_shop2",
    }


def test_no_simulated_key_is_sent_to_the_stripe_of_a_key_that_is_given(folder: Path) -> None:
    (folder / ".data" / "run.json").write_text(json.dumps(SEVERAL))
    environment = {"STRIPE_API_KEY": "rk_test_mine"}
    adopt_local_run(environment)
    assert {name: value for name, value in environment.items() if name.startswith("STRIPE_API")} == {
        "STRIPE_API_KEY": "rk_test_mine"
    }


def test_accounts_of_the_environment_are_not_those_of_a_run_of_one() -> None:
    environment = {"STRIPE_ACCOUNTS": "eu,us"}
    adopt_local_run(environment)
    assert "STRIPE_ACCOUNTS" not in environment


def test_accounts_of_servers_that_the_environment_names_stay() -> None:
    environment = {"REDIS_URL": "redis://production/0", "STRIPE_ACCOUNTS": "eu,us"}
    adopt_local_run(environment)
    assert environment == {"REDIS_URL": "redis://production/0", "STRIPE_ACCOUNTS": "eu,us"}


def test_what_accounts_share_is_told_of_each(folder: Path) -> None:
    (folder / ".data" / "run.json").write_text(json.dumps(SEVERAL))
    accounts = read_accounts()
    assert [(name, one["redis_url"], one["database_schema"]) for name, one in accounts.items()] == [
        ("default", RUN["redis_url"], "public"),
        ("shop2", RUN["redis_url"], "stripe_shop2"),
    ]


def test_run_of_one_account_is_the_default_one() -> None:
    assert read_accounts() == {"default": RUN}
