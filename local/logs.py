"""Log files of the processes on this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TAIL_BYTES = 16_384


def last_lines(log: Path, *, count: int = 8) -> str:
    """Return the last lines of a log, indented for a message."""
    if not log.exists():
        return f"  ({log} is empty)"
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()[-count:]
    return "\n".join(f"  {line}" for line in lines) or f"  ({log} is empty)"
