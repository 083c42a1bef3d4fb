"""Log files of the processes on this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TAIL_BYTES = 16_384
KEPT_BYTES = 20_000_000


def last_lines(log: Path, *, prefix: str, count: int = 8) -> str:
    """Return the last lines of a log, each with the name of who wrote it."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()[-count:]
    return "\n".join(f"{prefix} | {line}" for line in lines or ["(nothing)"])


def make_room(log: Path) -> Path:
    """Set a long log aside as `….1`, so that two generations are the most there is; return `log`."""
    if log.exists() and log.stat().st_size > KEPT_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    return log
