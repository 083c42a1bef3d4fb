"""Lets another kind of object be added with its table and nothing else."""

from __future__ import annotations

from schema.migrations import run_file

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Let the program say which kinds there are; the release before this one knows two of them, as before."""
    run_file("0009_kinds.sql")
