from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from cogento.settings import ConsoleSettings, ReceiverSettings, WorkerSettings
from tests.support.interpolation import MissingError, interpolated

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
SET_BY_COMPOSE = {"PORT"}
PASSWORDS = {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
OFFERED = re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
OF_COMMANDS = {"COGENTO_ACCOUNT"}
"""What no process that goes on reads, though its settings have it."""
SETTINGS = {name.upper() for kind in READ.values() for name in kind.model_fields} - OF_COMMANDS | {"CHANGES"}

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
    interpolated(SERVICES, dict.fromkeys(OFFERED, "given"))


@pytest.mark.parametrize("password", sorted(PASSWORDS))
def test_nothing_starts_without_a_password(password: str) -> None:
    with pytest.raises(MissingError, match=password):
        interpolated(SERVICES, dict.fromkeys(PASSWORDS - {password}, "given"))


def test_servers_are_those_of_the_file_unless_others_are_named() -> None:
    own = interpolated(SERVICES, {"POSTGRES_PASSWORD": "p1", "REDIS_PASSWORD": "p2"})
    for name in ("migrate", "worker", "console"):
        assert own[name]["environment"]["DATABASE_URL"] == "postgresql://cogento:p1@postgres:5432/cogento"
    for name in READ:
        assert own[name]["environment"]["REDIS_URL"] == "redis://:p2@redis:6379/0"


def test_servers_of_ones_own_need_no_password_here() -> None:
    named = {"DATABASE_URL": "postgresql://u:p@db.example/x", "REDIS_URL": "rediss://:p@kv.example:6380/0"}
    services = interpolated(SERVICES, named)
    for name in (*READ, "migrate"):
        given = services[name]["environment"]
        assert {key: given[key] for key in named if key in given}.items() <= named.items()
    assert services["worker"]["environment"].items() >= named.items()


@pytest.mark.parametrize(
    "file", sorted((ROOT / "deploy" / "compose").glob("*.yml")), ids=lambda file: file.stem
)
def test_file_beside_it_is_valid_and_speaks_of_services_and_networks_that_there_are(file: Path) -> None:
    added = yaml.safe_load(file.read_text())
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(added)
    assert added["services"].keys() <= SERVICES.keys()
    for name, service in added["services"].items():
        assert set(service.get("networks", [])) <= COMPOSE["networks"].keys()
        assert set(service.get("depends_on", {})) <= SERVICES[name].get("depends_on", {}).keys()
    assert f"COMPOSE_FILE=docker-compose.yml:deploy/compose/{file.name}" in file.read_text()


@pytest.mark.parametrize("server", ["postgres", "redis"])
def test_whoever_waits_for_a_server_does_not_where_it_is_elsewhere(server: str) -> None:
    added = yaml.safe_load((ROOT / "deploy" / "compose" / f"external-{server}.yml").read_text())["services"]
    assert added[server] == {"profiles": ["unused"]}
    waiting = {name for name, service in SERVICES.items() if server in service.get("depends_on", {})}
    assert {name for name in added if name != server} == waiting
    assert {added[name]["depends_on"][server]["required"] for name in waiting} == {False}


@pytest.mark.parametrize("name", ["receiver", "worker", "console", "migrate"])
def test_whoever_reaches_a_server_elsewhere_may_leave_the_host(name: str) -> None:
    added = yaml.safe_load((ROOT / "deploy" / "compose" / "external-postgres.yml").read_text())["services"]
    networks = SERVICES[name]["networks"] + added.get(name, {}).get("networks", [])
    assert "outside" in networks


@every_service
def test_image_is_ours_or_chosen_by_its_digest(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image == "cogento-stripe-sync" or re.fullmatch(r"\w+:[\w.-]+@sha256:[0-9a-f]{64}", image)


@every_service
def test_memory_is_bounded(name: str) -> None:
    assert re.fullmatch(r"\d+[mg]", SERVICES[name]["mem_limit"])


@pytest.mark.parametrize("name", READ)
def test_t24_every_setting_that_a_process_reads_reaches_it(name: str) -> None:
    given = SERVICES[name]["environment"]
    assert set(given) == {field.upper() for field in READ[name].model_fields} - OF_COMMANDS
    passed_on = {setting for setting, value in given.items() if f"${{{setting}:-" in value}
    assert set(given) - passed_on == SET_BY_COMPOSE & set(given)


@pytest.mark.parametrize("name", READ)
def test_t24_a_setting_that_is_left_out_has_the_default_that_is_documented(name: str) -> None:
    values = SERVICES[name]["environment"].items()
    defaults = {
        setting: found[1] for setting, value in values if (found := re.fullmatch(r"\$\{\w+:-(.*)\}", value))
    }
    chosen_here = {"ACK_DURABILITY": "redis_fsync"}  # whose server is ours, and keeps it
    servers_here = {"DATABASE_URL", "REDIS_URL"}
    chosen = {setting: value for setting, value in defaults.items() if value and setting not in servers_here}
    assert chosen == chosen_here


def test_t24_the_migration_is_given_where_the_tables_are_and_whether_changes_are_kept() -> None:
    assert set(SERVICES["migrate"]["environment"]) == {
        "CHANGES",
        "DATABASE_SCHEMA",
        "DATABASE_URL",
        "STRIPE_ACCOUNTS",
    }


def test_t24_compose_passes_nothing_on_that_nothing_reads() -> None:
    assert set(re.findall(r"\$\{(\w+)", TEXT)) == SETTINGS - SET_BY_COMPOSE | PASSWORDS


def test_t24_the_example_offers_only_what_is_read() -> None:
    assert set(OFFERED) <= SETTINGS - SET_BY_COMPOSE | PASSWORDS
    assert len(OFFERED) == len(set(OFFERED))
