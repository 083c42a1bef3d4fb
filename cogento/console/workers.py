"""The workers in a line for people: how many live, of which versions, and since when idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.console.spans import ago

if TYPE_CHECKING:
    from collections.abc import Mapping


def describe_workers(versions: Mapping[str, int], idle_seconds: float | None) -> str:
    """Say it in a line: `2 workers (1 of 0.1.0, 1 of 0.2.0), mail settled 3 s ago`."""
    alive = sum(versions.values())
    if not alive:
        return "no worker"
    workers = "1 worker" if alive == 1 else f"{alive:,} workers"
    settled = "no mail settled yet" if idle_seconds is None else f"mail settled {ago(idle_seconds)}"
    return f"{workers} ({_describe_versions(versions)}), {settled}"


def _describe_versions(versions: Mapping[str, int]) -> str:
    if len(versions) == 1:
        return f"version {next(iter(versions))}"
    return ", ".join(f"{count} of {version}" for version, count in versions.items())
