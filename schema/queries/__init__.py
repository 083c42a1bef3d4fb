"""The named queries: one SQL file each, opening with its purpose and what its parameters are.

The text is sent as it stands, so that pg_stat_activity and the server's log name the query too.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def query(name: str) -> str:
    """Read a query by its file's name; at import, so that a missing file is found at start."""
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def names() -> list[str]:
    """Name every query there is."""
    return sorted(file.stem for file in FOLDER.glob("*.sql"))
