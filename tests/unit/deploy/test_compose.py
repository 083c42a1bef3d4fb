from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from cogento.settings import ConsoleSettings, ReceiverSettings, WorkerSettings

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[3]
SCHEMA = Path(__file__).parent / "compose_spec" / "compose-spec.json"
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ["migrate", "receiver", "worker", "console"]

READ: dict[str, type[BaseSettings]] = {
    "receiver": ReceiverSettings,
    "worker": WorkerSettings,
    "console": ConsoleSettings,
}
SET_BY_COMPOSE = {"DATABASE_URL", "REDIS_URL", "PORT"}
PASSWORDS = {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
OFFERED = re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
SETTINGS = {name.upper() for kind in READ.values() for name in kind.model_fields}

every_service = pytest.mark.parametrize("name", SERVICES)


def test_compose_file_is_valid_by_the_compose_specification() -> None:
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(COMPOSE)


@every_service
def test_service_cannot_gain_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True


@pytest.mark.parametrize("name", OURS)
def test_our_processes_keep_no_capability(name: str) -> None:
    assert "cap_add" not in SERVICES[name]


@pytest.mark.parametrize("name", ["postgres", "redis", "migrate", "worker"])
def test_servers_and_workers_publish_no_port(name: str) -> None:
    assert "ports" not in SERVICES[name]


@pytest.mark.parametrize("name", ["receiver", "console"])
def test_published_ports_are_open_to_this_host_only(name: str) -> None:
    assert [port.rsplit(":", 2)[0] for port in SERVICES[name]["ports"]] == ["127.0.0.1"]


@pytest.mark.parametrize("network", ["mailboxes", "tables"])
def test_networks_of_the_servers_lead_nowhere_else(network: str) -> None:
    assert COMPOSE["networks"][network] == {"internal": True}


def test_redis_writes_to_disk_before_it_answers_and_evicts_nothing() -> None:
    options = SERVICES["redis"]["command"]
    assert {"--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"} <= set(options)


def test_receiver_is_given_no_postgres_credential() -> None:
    assert "DATABASE_URL" not in SERVICES["receiver"]["environment"]
    assert "tables" not in SERVICES["receiver"]["networks"]


def test_only_the_receiver_is_given_the_signing_secret() -> None:
    holders = [name for name in SERVICES if "STRIPE_WEBHOOK_SECRET" in SERVICES[name].get("environment", {})]
    assert holders == ["receiver"]


def test_worker_starts_after_the_migration_has_succeeded() -> None:
    assert SERVICES["worker"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_worker_is_asked_whether_it_takes_work() -> None:
    assert SERVICES["worker"]["healthcheck"]["test"] == ["CMD", "python", "-m", "worker.health"]


def test_no_password_is_written_in_the_compose_file() -> None:
    assert re.findall(r"PASSWORD: (?!\$\{)", TEXT) == []


def test_example_environment_names_every_variable_without_a_default() -> None:
    needed = set(re.findall(r"\$\{(\w+):\?", TEXT))
    assert needed <= set(OFFERED)


@pytest.mark.parametrize("name", READ)
def test_t24_every_setting_that_a_process_reads_reaches_it(name: str) -> None:
    given = SERVICES[name]["environment"]
    assert set(given) == {field.upper() for field in READ[name].model_fields}
    passed_on = {setting for setting, value in given.items() if f"${{{setting}:-" in value}
    assert set(given) - passed_on == SET_BY_COMPOSE & set(given)


@pytest.mark.parametrize("name", READ)
def test_t24_a_setting_that_is_left_out_has_the_default_that_is_documented(name: str) -> None:
    values = SERVICES[name]["environment"].items()
    defaults = {
        setting: found[1] for setting, value in values if (found := re.fullmatch(r"\$\{\w+:-(.*)\}", value))
    }
    chosen_here = {"ACK_DURABILITY": "redis_fsync"}  # whose server is ours, and keeps it
    assert {setting: value for setting, value in defaults.items() if value} == chosen_here


def test_t24_the_migration_is_given_where_the_tables_are_and_nothing_else() -> None:
    assert set(SERVICES["migrate"]["environment"]) == {"DATABASE_SCHEMA", "DATABASE_URL"}


def test_t24_compose_passes_nothing_on_that_nothing_reads() -> None:
    assert set(re.findall(r"\$\{(\w+)", TEXT)) == SETTINGS - SET_BY_COMPOSE | PASSWORDS


def test_t24_the_example_offers_only_what_is_read() -> None:
    assert set(OFFERED) <= SETTINGS - SET_BY_COMPOSE | PASSWORDS
    assert len(OFFERED) == len(set(OFFERED))
