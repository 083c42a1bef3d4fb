"""What can be said of the Dockerfile without a Docker engine."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
IGNORED = (ROOT / ".dockerignore").read_text().splitlines()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCAL_ONLY = "cogento/local/"


def test_image_runs_as_a_number_that_is_not_root() -> None:
    (user,) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, flags=re.MULTILINE)
    assert int(user) > 0


def test_image_installs_only_hashed_wheels() -> None:
    assert "--require-hashes --only-binary :all: -r requirements.lock" in DOCKERFILE


def test_no_shell_stands_between_the_engine_and_the_process() -> None:
    command = re.findall(r"^CMD (.+)$", DOCKERFILE, flags=re.MULTILINE)[-1]
    assert json.loads(command)[0] == "gunicorn"
    assert "ENTRYPOINT" not in DOCKERFILE


def test_image_says_how_to_see_whether_it_is_healthy() -> None:
    assert "HEALTHCHECK" in DOCKERFILE


def test_image_holds_the_packages_that_run_in_production_and_nothing_else() -> None:
    allowed = {line.removeprefix("!").rstrip("/") for line in IGNORED if line.startswith("!")}
    packaged = set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert allowed - {"requirements.lock", "bin/cogento"} == packaged
    assert LOCAL_ONLY in IGNORED


def test_everything_is_kept_out_of_the_image_unless_listed() -> None:
    assert next(line for line in IGNORED if not line.startswith("#")) == "*"


def test_image_and_heroku_run_the_same_python() -> None:
    version = (ROOT / ".python-version").read_text().strip()
    assert re.search(
        rf"^ARG PYTHON_IMAGE=python:{version}-slim-\w+@sha256:[0-9a-f]{{64}}$", DOCKERFILE, re.MULTILINE
    )


def test_image_has_the_command() -> None:
    assert "ENV PATH=/venv/bin:/app/bin:$PATH" in DOCKERFILE
    assert "WORKDIR /app\n" in DOCKERFILE
    assert (ROOT / "bin" / "cogento").stat().st_mode & 0o111 == 0o111


def test_nothing_in_the_image_asks_for_the_installed_package_which_it_is_not() -> None:
    folders = [line.removeprefix("!").rstrip("/") for line in IGNORED if line.startswith("!")]
    modules = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    asks_for_others = {ROOT / "cogento" / "tracing.py"}  # for exporters
    modules = [path for path in modules if not path.is_relative_to(ROOT / LOCAL_ONLY)]
    assert {path for path in modules if "importlib.metadata" in path.read_text()} == asks_for_others
