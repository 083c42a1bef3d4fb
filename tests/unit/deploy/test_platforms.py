"""The files for Kubernetes, Render, Fly, Railway and systemd: valid, and they start what the Procfile starts."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cogento.settings import ConsoleSettings, ReceiverSettings, WorkerSettings
from tests.support.programs import installed

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
SCHEMAS = Path(__file__).parent / "platforms"
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
PROCFILE["migrate"], _, _ = PROCFILE["release"].partition(
    " && "
)  # where every process has settings of its own, none checks them all
SETTINGS = {
    name.upper() for kind in (ReceiverSettings, WorkerSettings, ConsoleSettings) for name in kind.model_fields
}

KUBERNETES: list[dict[str, Any]] = [
    resource
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for resource in yaml.safe_load_all(file.read_text())
]
PODS = {
    resource["metadata"]["name"]: resource["spec"]["template"]["spec"]
    for resource in KUBERNETES
    if "template" in resource["spec"]
}
RENDER: dict[str, Any] = yaml.safe_load((DEPLOY / "render" / "render.yaml").read_text())
FLY = tomllib.loads((DEPLOY / "fly" / "fly.toml").read_text())
RAILWAY = {
    name: json.loads((DEPLOY / "railway" / f"{name}.json").read_text()) for name in ("receiver", "worker")
}
UNITS = {
    file.stem.removeprefix("cogento-"): file.read_text() for file in (DEPLOY / "systemd").glob("*.service")
}


def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text())
    return loaded


@pytest.mark.parametrize("resource", KUBERNETES, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_kubernetes_resource_is_valid(resource: dict[str, Any]) -> None:
    whole = schema("kubernetes")
    kind = whole["kinds"][resource["kind"]]
    jsonschema.Draft202012Validator({**kind, "$defs": whole["$defs"]}).validate(resource)


@pytest.mark.parametrize(
    ("name", "file"), [("render", RENDER), ("fly", FLY), *(("railway", file) for file in RAILWAY.values())]
)
def test_file_is_valid(name: str, file: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(schema(name)).validate(file)


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("cogento", "gunicorn", "python"):
        (programs / program).symlink_to("/bin/true")
    for name, text in UNITS.items():
        (tmp_path / f"cogento-{name}.service").write_text(
            text.replace("/opt/cogento/.venv/bin", str(programs))
        )
    files = sorted(str(file) for file in tmp_path.glob("*.service"))
    done = subprocess.run(
        [installed("systemd-analyze"), "verify", "--man=no", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if str(tmp_path) in line]) == (0, [])


def test_every_platform_runs_the_commands_of_the_procfile() -> None:
    commands = {name: " ".join(pod["containers"][0]["command"]) for name, pod in PODS.items()}
    assert commands == {
        f"cogento-{name}": PROCFILE[process]
        for name, process in (("migrate", "migrate"), ("receiver", "web"), ("worker", "worker"))
    }
    rendered = {service["type"]: service.get("dockerCommand") for service in RENDER["services"]}
    assert rendered == {"web": PROCFILE["web"], "worker": PROCFILE["worker"], "keyvalue": None}
    assert FLY["processes"] == {"web": PROCFILE["web"], "worker": PROCFILE["worker"]}
    started = {name: file["deploy"]["startCommand"] for name, file in RAILWAY.items()}
    assert started == {"receiver": PROCFILE["web"], "worker": PROCFILE["worker"]}
    for name, process in (("receiver", "web"), ("worker", "worker")):
        assert f"ExecStart=/opt/cogento/.venv/bin/{PROCFILE[process]}\n" in UNITS[name]


def test_every_platform_migrates_before_a_release_and_once() -> None:
    assert [s["name"] for s in RENDER["services"] if s.get("preDeployCommand") == PROCFILE["migrate"]] == [
        "cogento-worker"
    ]
    assert FLY["deploy"]["release_command"] == PROCFILE["migrate"]
    assert [
        name
        for name, file in RAILWAY.items()
        if file["deploy"].get("preDeployCommand") == [PROCFILE["migrate"]]
    ] == ["worker"]
    assert "Requires=cogento-migrate.service" in UNITS["worker"]


def test_receiver_is_given_no_postgres_credential() -> None:
    (web,) = (service for service in RENDER["services"] if service["type"] == "web")
    assert "DATABASE_URL" not in {variable["key"] for variable in web["envVars"]}
    secrets = {
        name: [source["secretRef"]["name"] for source in pod["containers"][0]["envFrom"]]
        for name, pod in PODS.items()
    }
    assert secrets == {
        "cogento-migrate": ["cogento-postgres"],
        "cogento-receiver": ["cogento"],
        "cogento-worker": ["cogento", "cogento-postgres"],
    }
    assert "postgres.env" not in UNITS["receiver"]
    assert "postgres.env" in UNITS["worker"]


def test_settings_that_are_given_exist() -> None:
    named = {variable["key"] for service in RENDER["services"] for variable in service.get("envVars", [])}
    named |= FLY["env"].keys() | {
        entry["name"] for pod in PODS.values() for entry in pod["containers"][0].get("env", [])
    }
    assert named <= SETTINGS


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_kubernetes_pod_has_no_right_that_it_does_not_need(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod["automountServiceAccountToken"] is False
    assert "memory" in container["resources"]["limits"]


def test_health_is_asked_where_it_is_told() -> None:
    receiver, worker = (PODS[f"cogento-{name}"]["containers"][0] for name in ("receiver", "worker"))
    assert receiver["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert receiver["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert worker["livenessProbe"]["exec"]["command"] == ["python", "-m", "worker.health"]
    assert {FLY["http_service"]["checks"][0]["path"], RAILWAY["receiver"]["deploy"]["healthcheckPath"]} == {
        "/readyz"
    }


def test_everybody_is_given_the_time_that_a_stop_takes() -> None:
    seconds = [
        *(pod["terminationGracePeriodSeconds"] for name, pod in PODS.items() if name != "cogento-migrate"),
        *(service["maxShutdownDelaySeconds"] for service in RENDER["services"] if "runtime" in service),
        FLY["kill_timeout"],
        *(file["deploy"]["drainingSeconds"] for file in RAILWAY.values()),
        *(int(n) for name in UNITS for n in re.findall(r"TimeoutStopSec=(\d+)", UNITS[name])),
    ]
    assert set(seconds) == {30}
    assert len(seconds) == 10


def test_redis_of_render_evicts_nothing() -> None:
    (redis,) = (service for service in RENDER["services"] if service["type"] == "keyvalue")
    assert redis["maxmemoryPolicy"] == "noeviction"
