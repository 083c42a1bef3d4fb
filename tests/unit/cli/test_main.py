from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

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


def test_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["fly"]).exit_code == 2
