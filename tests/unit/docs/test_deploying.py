"""What docs/deploying.md says to type exists, and what it says of proxies fits the receiver."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cogento.cli.main import COMMANDS
from cogento.serving.connection import IDLE_SECONDS
from cogento.settings import ConsoleSettings, ReceiverSettings, WorkerSettings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "deploying.md").read_text()
README = (ROOT / "README.md").read_text()
BLOCKS = "".join(re.findall(r"^```\w+\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))
SETTINGS = {
    name.upper() for kind in (ReceiverSettings, WorkerSettings, ConsoleSettings) for name in kind.model_fields
}


def cells(heading: str) -> list[list[str]]:
    """The rows of the table under a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def test_every_command_of_ours_exists() -> None:
    named = set(re.findall(r"(?<![=\w-])cogento ([a-z]+)\b", BLOCKS))
    assert named
    assert named <= set(COMMANDS)


def test_every_setting_that_heroku_is_told_exists() -> None:
    lines = re.findall(r"heroku config:set ([^\n]+)", PAGE.replace("`", " ") + README)
    named = {word for line in lines for word in re.findall(r"\b([A-Z][A-Z_]+)=", line)}
    assert {"STRIPE_WEBHOOK_SECRET", "REDIS_TLS_VERIFY", "STRIPE_API_KEY"} <= named <= SETTINGS


@pytest.mark.parametrize("page", [PAGE, README], ids=["deploying", "readme"])
def test_add_ons_are_those_of_app_json(page: str) -> None:
    ordered = [addon["plan"] for addon in json.loads((ROOT / "app.json").read_text())["addons"]]
    assert re.findall(r"heroku addons:create (\S+)", page) == ordered


def test_every_file_that_it_names_exists() -> None:
    named = set(re.findall(r"\b((?:deploy|tests)/[\w./-]+\.\w+)", PAGE))
    assert [name for name in named if not (ROOT / name).exists()] == []
    compose = {f"deploy/compose/{file.name}" for file in (ROOT / "deploy" / "compose").iterdir()}
    assert compose <= named


def test_t22_every_proxy_lets_go_of_an_idle_connection_before_the_receiver_does() -> None:
    for name, keeps, to_do in cells("Before the receiver"):
        (told,) = re.findall(r"keepalive (\d+)s", to_do) or re.findall(r"(\d+) s", keeps)[:1]
        assert int(told) < IDLE_SECONDS, name
    assert f"for {IDLE_SECONDS} s" in PAGE
