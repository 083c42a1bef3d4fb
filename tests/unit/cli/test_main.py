from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
import structlog
from click.testing import CliRunner

from cogento import VERSION
from cogento.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[3]
HEAVY = ("asyncpg", "redis", "celery", "flask", "alembic", "sqlalchemy", "pydantic", "gunicorn")


def test_help_names_every_command() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    assert [name for name in COMMANDS if f"\n  {name} " not in shown] == []


def test_help_imports_none_of_what_the_commands_need() -> None:
    code = f"import sys; from cogento.cli.main import main; main(['--help'], standalone_mode=False); print([name for name in {HEAVY} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


def loaded_by(*words: str) -> set[str]:
    """Return which packages a process of the command has loaded at its end."""
    code = (
        "import sys, atexit; from cogento.__main__ import run;"
        "atexit.register(lambda: print(*(name for name, module in sys.modules.items() if module)));"
        f"sys.argv = {['cogento', *words]}; run()"
    )
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=variables, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", ["status", "console"])
def test_a_command_loads_nothing_only_because_it_is_installed_nor_celery_to_wake_nobody(name: str) -> None:
    loaded = loaded_by(name, "--help")
    assert "redis" in loaded
    assert (
        loaded
        & {"rich", "pygments", "attr", "yaml", "opentelemetry", "psutil", "celery", "kombu", "gunicorn"}
        == set()
    )


def test_a_command_that_migrates_finds_what_that_takes() -> None:
    assert {"alembic", "greenlet"} <= loaded_by("migrate", "--help")


def test_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["fly"]).exit_code == 2


@pytest.mark.parametrize(
    ("typed", "meant"), [("statsu", "status"), ("wating", "waiting"), ("explian", "explain")]
)
def test_misspelt_command_is_answered_with_the_one_that_is_meant(typed: str, meant: str) -> None:
    refused = CliRunner().invoke(main, [typed])
    assert refused.exit_code == 2
    assert f"No such command {typed}. Did you mean {meant}" in refused.stderr


def test_command_like_no_other_is_answered_with_where_they_are_listed() -> None:
    assert "`cogento --help` lists them." in CliRunner().invoke(main, ["xyzzy"]).stderr


def test_misspelt_subcommand_is_answered_with_the_one_that_is_meant() -> None:
    assert "Did you mean 'list'?" in CliRunner().invoke(main, ["letters", "lst"]).stderr


def test_what_a_command_logs_is_apart_from_what_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def status() -> None:
        click.echo("{}")
        structlog.get_logger().error("alert_not_sent")

    monkeypatch.setattr(main, "get_command", lambda *_: status)
    told = CliRunner().invoke(main, ["status"])
    assert told.stdout == "{}\n"
    assert "alert_not_sent" in told.stderr


def test_version_is_told() -> None:
    told = CliRunner().invoke(main, ["--version"])
    assert (told.exit_code, told.output) == (0, f"cogento, version {VERSION}\n")


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("cogento wai", ["plain,waiting"]),
        ("cogento letters dis", ["plain,discard"]),
        ("cogento waiting --state in", ["plain,in_progress"]),
        ("cogento pause --rea", ["plain,--reason"]),
    ],
)
def test_the_shell_completes_commands_options_and_choices(words: str, completed: list[str]) -> None:
    program = Path(sys.executable).with_name("cogento")
    asked = {"_COGENTO_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    told = subprocess.run([program], capture_output=True, text=True, env=asked, check=True)
    assert told.stdout.splitlines() == completed


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_a_data_folder(name: str) -> None:
    context = click.Context(main)
    command = main.get_command(context, name)
    assert [leaf.name for leaf in leaves(command) if not takes_data(leaf)] == []


def leaves(command: click.Command | None) -> list[click.Command]:
    assert command is not None
    if not isinstance(command, click.Group):
        return [command]
    return [leaf for each in command.commands.values() for leaf in leaves(each)]


def takes_data(command: click.Command) -> bool:
    return [option.opts for option in command.params].count(["--data"]) == 1
