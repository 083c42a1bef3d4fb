"""A Valkey whose power can be cut: data that it had not synced to disk are gone when it starts again.

SIGKILL alone loses nothing, since the kernel has the bytes. So a preloaded library (synced_bytes.c) notes how
much of each file was synced, and after the kill the files are cut there. Needs a C compiler and Linux.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cogento.local.ports import free_port
from cogento.local.valkey import Valkey
from tests.support import servers
from tests.support.preloading import compile_library, require_compiler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.local.process import Command


@dataclass(slots=True, kw_only=True)
class WatchedValkey(Valkey):
    """A Valkey that notes what it has synced."""

    def prepare(self) -> Command:
        """Preload the library; its path is one that the server's user can enter."""
        command = Valkey.prepare(self)
        compiled = compile_library("synced_bytes", self.folder)
        library = Path(command.argv[-1]).with_name(compiled.name)
        return replace(command, environment={**command.environment, "LD_PRELOAD": str(library)})


def start_watched_valkey(
    home: Path, *, settings: Mapping[str, str] | None = None
) -> servers.RunningServer[Valkey]:
    """Start a throwaway Valkey for `cut_power`; skips the test where there is no C compiler."""
    require_compiler()
    return servers.RunningServer(
        WatchedValkey(
            folder=home / "valkey",
            port=free_port(),
            log=home / "valkey.log",
            binary=servers.chosen("TEST_REDIS_SERVER"),
            settings=servers.QUICK_VALKEY | dict(settings or {}),
            throwaway=True,
        )
    )


def cut_power(server: servers.RunningServer[Valkey]) -> int:
    """Kill it and take away what was not on the disk; returns how many bytes that were. Start it again yourself."""
    server.kill()
    files = (server.description.folder / "appendonlydir").glob("*.aof")
    return sum(_forget_unsynced(file) for file in files)


def _forget_unsynced(file: Path) -> int:
    size = file.stat().st_size
    note = file.parents[1] / f"synced-{file.stat().st_ino}"
    synced = min(size, int(note.read_text())) if note.exists() else 0
    os.truncate(file, synced)
    return size - synced
