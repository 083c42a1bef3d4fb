from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from cogento.local.services import ROOT, SIMULATED_KEY
from cogento.settings import ReceiverSettings, WorkerSettings, load_each
from tests.support.local_system import NAMES, SEVERAL, SIMULATION, SYSTEM


def in_procfile(name: str) -> list[str]:
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    return shlex.split(lines[name])


def test_the_worker_is_started_as_the_procfile_says() -> None:
    assert ["python", *SYSTEM.worker().argv[1:]] == in_procfile("worker")


def test_the_receiver_is_started_as_the_procfile_says_but_on_this_machine_only() -> None:
    command, *words = SYSTEM.receiver().argv[2:]
    program, _, configuration, app = in_procfile("web")

    assert command == program
    assert str(ROOT / configuration) in words
    assert app in words
    assert "127.0.0.1:8000" in words


def test_processes_get_what_they_need_in_their_environment() -> None:
    environment = SYSTEM.receiver().environment

    assert environment["DATABASE_URL"] == "postgresql://127.0.0.1/cogento"
    assert environment["ACK_DURABILITY"] == "redis_fsync"
    assert environment["PORT"] == "8000"


@pytest.mark.parametrize(("seconds", "given"), [(None, ""), (3, "3")])
def test_the_worker_polls_as_often_as_the_run_says_whatever_the_environment_has(
    seconds: int | None, given: str
) -> None:
    system = replace(SYSTEM, simulation=SIMULATION, poll_seconds=seconds)

    assert system.worker().environment["STRIPE_POLL_SECONDS"] == given


def test_secrets_are_not_among_the_arguments_which_anybody_can_list() -> None:
    system = replace(SYSTEM, simulation=SIMULATION)

    assert "whsec_secret" not in " ".join(system.stripe(SIMULATION).argv)


def test_a_real_account_is_left_alone_while_one_is_simulated() -> None:
    environment = replace(SYSTEM, simulation=SIMULATION).worker().environment

    assert environment["STRIPE_API_KEY"] == SIMULATED_KEY
    assert environment["STRIPE_API_BASE"] == SIMULATION.api_url
    assert "STRIPE_API_KEY" not in SYSTEM.worker().environment


def test_who_may_not_ask_has_no_key_and_no_real_one_either() -> None:
    environment = replace(SYSTEM, simulation=replace(SIMULATION, may_be_asked=False)).worker().environment

    assert environment["STRIPE_API_KEY"] == ""


def test_a_simulated_life_that_starts_again_is_another_one() -> None:
    each_time = SYSTEM.stripe(SIMULATION).argv_once

    assert each_time() == ("--seed", "7")
    assert each_time() != ("--seed", "7")


@pytest.mark.parametrize("url", [SYSTEM.receiver_url(), SYSTEM.console_url(), SIMULATION.api_url])
def test_everything_is_reached_on_this_machine(url: str) -> None:
    assert url.startswith("http://127.0.0.1:")


def test_run_of_one_account_names_none() -> None:
    environment = replace(SYSTEM, simulation=SIMULATION).worker().environment

    assert "STRIPE_ACCOUNTS" not in environment
    assert environment["DATABASE_SCHEMA"] == "public"
    assert [variable for variable in environment if "__" in variable] == []


@pytest.fixture
def _several(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set for an account of a real deployment is there, too."""
    real = {
        "STRIPE_LIVEMODE": "true",
        "STRIPE_LIVEMODE__SHOP2": "true",
        "STRIPE_ACCOUNT__SHOP2": "acct_real",
        "STRIPE_API_KEY__SHOP3": "rk_live_real",
        "DATABASE_SCHEMA__SHOP3": "real",
        "COGENTO_ACCOUNT": "eu",
    }
    for variable, value in (real | SEVERAL.environment()).items():
        monkeypatch.setenv(variable, value)


@pytest.mark.usefixtures("_several")
def test_several_accounts_have_their_own_secrets_and_schemas() -> None:
    receivers, workers = load_each(ReceiverSettings), load_each(WorkerSettings)

    assert [one.account for one in receivers] == list(NAMES)
    assert [one.webhook_secrets for one in receivers] == [
        (account.webhook_secret,) for account in SEVERAL.accounts
    ]
    assert [one.thin_webhook_secrets for one in receivers] == [
        (account.thin_webhook_secret,) for account in SEVERAL.accounts
    ]
    assert [one.database_schema for one in workers] == ["billing", "stripe_shop2", "stripe_shop3"]


@pytest.mark.usefixtures("_several")
def test_several_accounts_have_keys_of_the_simulated_stripe_and_no_real_one() -> None:
    workers = load_each(WorkerSettings)

    assert [one.stripe_api_key and one.stripe_api_key.get_secret_value() for one in workers] == [
        SIMULATED_KEY,
        f"{SIMULATED_KEY}_shop2",
        f"{SIMULATED_KEY}_shop3",
    ]
    assert {one.stripe_api_base for one in workers} == {SIMULATION.api_url}
    assert {(one.stripe_livemode, one.stripe_account) for one in workers} == {(False, None)}


def test_who_may_not_ask_about_any_account_has_no_key_at_all() -> None:
    simulation = replace(SIMULATION, accounts=NAMES, may_be_asked=False)
    environment = replace(SEVERAL, simulation=simulation).worker().environment

    assert {environment[name] for name in environment if name.startswith("STRIPE_API_KEY")} == {""}


def test_each_account_has_addresses_of_its_own() -> None:
    assert [SEVERAL.receiver_url(name) for name in NAMES[:2]] == [
        "http://127.0.0.1:8000/webhooks/stripe",
        "http://127.0.0.1:8000/webhooks/stripe/shop2",
    ]
    assert SEVERAL.console_url("shop2") == "http://127.0.0.1:8001/accounts/shop2/console"
    assert SIMULATION.control_url("shop2") == "http://127.0.0.1:9000/_sim/shop2"
