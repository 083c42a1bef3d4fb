"""Runs the commands of a page, one after the other, beside a `cogento run`: in a folder like a clone that holds its data."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from cogento.local.services import ROOT
from tests.support.local_run import NOTHING_GIVEN
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.local_run import LocalRun

NOT_IN_A_CLONE = {".data", ".git", ".venv"}
WHAT_SETUP_LOOKS_AT = ("pyproject.toml", "requirements-dev.lock")
BEFOREHAND = ("git clone", "make run")
"""Commands that must have been run before the others."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended, and what it said."""

    command: str
    exit_code: int
    output: str


def commands_of(page: str, *, below: str = "") -> list[str]:
    """The lines of the page's shell blocks, from a heading on where one is named, without their comments."""
    text = (ROOT / page).read_text()
    part = re.split(r"^## ", text, flags=re.MULTILINE)
    chosen = "\n".join(section for section in part if section.startswith(below))
    blocks = re.findall(r"^```sh\n(.*?)^```", chosen, flags=re.MULTILINE | re.DOTALL)
    lines = [re.sub(r" {2,}# .*", "", line) for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(BEFOREHAND)]


def clone_beside(run: LocalRun, folder: Path) -> Path:
    """Make a folder that is to its commands what a clone is in which this run was started."""
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in NOT_IN_A_CLONE:
            (folder / entry.name).symlink_to(entry)
    for name in WHAT_SETUP_LOOKS_AT:  # so that `make` finds its .venv newer than these
        (folder / name).unlink()
        shutil.copy(ROOT / name, folder / name)
        os.utime(folder / name, (0, 0))
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / ".data").symlink_to(run.data)
    return folder


def follow(page: list[str], run: LocalRun, folder: Path) -> list[Ended]:
    """Run each command in the folder; `cus_…` is a customer that has a row."""
    return [_run(command.replace("cus_…", _some_customer(run)), run, folder) for command in page]


def _run(command: str, run: LocalRun, folder: Path) -> Ended:
    if "letters" in command:
        _wait_for_letter(run)
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=os.environ | NOTHING_GIVEN,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Ended(command, ended.returncode, ended.stdout)


def _some_customer(run: LocalRun) -> str:
    with psycopg.connect(run.facts["database_url"]) as connection:
        row = connection.execute(
            "SELECT min(stripe_customer_id) FROM users WHERE deleted_at IS NULL"
        ).fetchone()
    return str(row and row[0])


def _wait_for_letter(run: LocalRun) -> None:
    asked = "SELECT count(*) FROM cogento_internal.dead_letters WHERE event_id = 'evt_tour'"
    with psycopg.connect(run.facts["database_url"], autocommit=True) as connection:
        wait_until(
            lambda: connection.execute(asked).fetchone() == (1,), what="the tour's dead letter", seconds=30
        )
