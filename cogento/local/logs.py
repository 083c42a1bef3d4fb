"""Log files of the processes on this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TAIL_BYTES = 16_384
KEPT_BYTES = 20_000_000


def last_lines(log: Path, *, since: int = 0, count: int = 8) -> list[str]:
    """Return the last lines of a log, none of those before byte `since`."""
    with log.open("rb") as file:
        file.seek(max(since, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()[-count:]


def size(log: Path) -> int:
    """Return a log's length in bytes; none yet is empty."""
    return log.stat().st_size if log.exists() else 0


def make_room(log: Path) -> Path:
    """Set a long log aside as `….1`, so that two generations are the most there is; return `log`."""
    if size(log) > KEPT_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    return log
