from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from cogento.local.data_folder import DataFolder
from cogento.local.services import ROOT, SIMULATED_KEY, LocalSystem, Servers, StripeSimulation

SIMULATION = StripeSimulation(port=9000, events_per_second=5, customers=200, seed=7)
SYSTEM = LocalSystem(
    folder=DataFolder(Path("/data")),
    servers=Servers(
        database_url="postgresql://127.0.0.1/cogento",
        redis_url="redis://127.0.0.1/0",
        ack_durability="redis_fsync",
    ),
    webhook_secret="whsec_secret",
    thin_webhook_secret="whsec_thin_secret",
    receiver_port=8000,
    console_port=8001,
    simulation=None,
)


def in_procfile(name: str) -> list[str]:
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    return shlex.split(lines[name])


def test_the_worker_is_started_as_the_procfile_says() -> None:
    assert list(SYSTEM.worker().argv[2:]) == in_procfile("worker")


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


@pytest.mark.parametrize("url", [SYSTEM.receiver_url, SYSTEM.console_url, SIMULATION.api_url])
def test_everything_is_reached_on_this_machine(url: str) -> None:
    assert url.startswith("http://127.0.0.1:")
