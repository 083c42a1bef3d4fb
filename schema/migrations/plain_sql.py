"""Migrations are SQL files; this runs one as it stands, whatever colons and percent signs it holds."""

from __future__ import annotations

from pathlib import Path

from alembic import op

FOLDER = Path(__file__).parent / "versions"


def run_file(name: str) -> None:
    """Run every statement of a file in the migration's transaction."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None  # noqa: S101 - alembic is only ever run online here
    driver.execute((FOLDER / name).read_text(encoding="utf-8"))
