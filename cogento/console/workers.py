"""The workers as people and alerts want to know them: how many live, of which versions, and since when idle.

Pure; the mailboxes' heartbeats are where it comes from.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.console.spans import ago

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.queue.heartbeats import SeenWorker


@dataclass(frozen=True, slots=True)
class Workforce:
    """All workers seen lately, dead ones too; `now_ms` by the clock of their heartbeats."""

    seen: Sequence[SeenWorker]
    now_ms: int

    @property
    def alive(self) -> int:
        """How many take work."""
        return sum(self.versions.values())

    @property
    def versions(self) -> Mapping[str, int]:
        """How many of each version take work."""
        return dict(sorted(Counter(worker.version for worker in self.seen if worker.is_alive).items()))

    @property
    def idle_seconds(self) -> float | None:
        """How long ago any of them last settled mail; None when none of them has yet."""
        took = [worker.took_ms for worker in self.seen if worker.took_ms is not None]
        return max(self.now_ms - max(took), 0) / 1000 if took else None


def tell_workers(versions: Mapping[str, int], idle_seconds: float | None) -> str:
    """Say it in a line: `2 workers (1 of 0.1.0, 1 of 0.2.0), mail settled 3 s ago`."""
    alive = sum(versions.values())
    if not alive:
        return "no worker"
    workers = "1 worker" if alive == 1 else f"{alive:,} workers"
    settled = "no mail settled yet" if idle_seconds is None else f"mail settled {ago(idle_seconds)}"
    return f"{workers} ({_tell_versions(versions)}), {settled}"


def _tell_versions(versions: Mapping[str, int]) -> str:
    if len(versions) == 1:
        return f"version {next(iter(versions))}"
    return ", ".join(f"{count} of {version}" for version, count in versions.items())
