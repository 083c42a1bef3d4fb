from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from cogento import VERSION
from cogento.release import find_commit
from cogento.settings import ReceiverSettings, WorkerSettings

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((Path(__file__).parent / "app_json" / "app-json.schema.json").read_text())
APP: dict[str, Any] = json.loads((ROOT / "app.json").read_text())
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
IMAGE = (ROOT / "Dockerfile").read_text()


def test_procfile_migrates_at_release_and_runs_a_receiver_and_a_worker() -> None:
    assert list(PROCFILE) == ["release", "web", "worker"]


def test_app_json_is_valid_by_heroku_s_schema() -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(APP)


def test_review_apps_take_test_events_and_have_no_secret_of_their_own() -> None:
    given = APP["environments"]["review"]["env"]
    assert {name: value.get("value") for name, value in given.items() if "value" in value} == {
        "STRIPE_LIVEMODE": "false"
    }


def test_cogento_is_a_command_after_the_build(tmp_path: Path) -> None:
    """What Heroku's Python buildpack does: it runs the hook with its own Python first on the PATH."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    path = os.environ | {"PATH": f"{tmp_path}:{os.defpath}"}
    subprocess.run(["bin/post_compile"], cwd=ROOT, env=path, check=True)
    command = shutil.which("cogento", path=path["PATH"])
    assert command == str(tmp_path / "cogento")
    said = subprocess.run(
        [command, "--version"], cwd=ROOT, env=path, check=True, capture_output=True, text=True
    )
    assert VERSION in said.stdout


def test_a_slug_knows_which_commit_it_was_built_of(tmp_path: Path) -> None:
    for folder in ("bin", "cogento", "path"):
        (tmp_path / folder).mkdir()
    (tmp_path / "path/python").symlink_to(sys.executable)
    shutil.copy(ROOT / "bin/cogento", tmp_path / "bin")
    path = os.environ | {"PATH": f"{tmp_path}/path:{os.defpath}", "SOURCE_VERSION": "1a2b3c4d5e"}

    subprocess.run([ROOT / "bin/post_compile"], cwd=tmp_path, env=path, check=True)

    assert find_commit({}, tmp_path / "cogento") == "1a2b3c4d5e"


def test_app_json_starts_every_process_of_the_procfile() -> None:
    assert set(APP["formation"]) == set(PROCFILE) - {"release"}


def test_app_json_orders_the_two_servers() -> None:
    assert [addon["plan"].split(":")[0] for addon in APP["addons"]] == ["heroku-postgresql", "heroku-redis"]


def test_t24_app_json_offers_only_what_is_read() -> None:
    kinds = (ReceiverSettings, WorkerSettings)
    assert set(APP["env"]) <= {name.upper() for kind in kinds for name in kind.model_fields}


def test_app_json_carries_no_secret() -> None:
    assert "value" not in APP["env"]["STRIPE_WEBHOOK_SECRET"]


def test_heroku_installs_the_hashed_lock() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["-r requirements.lock"]


def test_compose_and_procfile_run_the_same_commands() -> None:
    assert " ".join(SERVICES["worker"]["command"]) == PROCFILE["worker"]
    assert PROCFILE["release"].startswith(" ".join(SERVICES["migrate"]["command"]) + " && ")
    assert " ".join(json.loads(re.findall(r"^CMD (.+)$", IMAGE, flags=re.MULTILINE)[-1])) == PROCFILE["web"]
