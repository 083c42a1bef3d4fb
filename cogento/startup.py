"""What a process does before it loads anything else, so that it starts quickly and stays small; it loads nothing itself.

Libraries load optional packages wherever these are installed, though our processes never use them: 8 MB of each process, and a
quarter of a command's start. structlog loads rich and pygments to colour a terminal, and greenlet to identify threads; Mako,
which alembic loads, loads pygments, too; kombu loads PyYAML for messages that nobody sends; Celery loads psutil to measure its
own memory; redis loads OpenTelemetry's SDK for metrics that nobody asked for. All of them work without these packages.

Loaded objects stay, and Python's collector would visit them again and again while more is loaded.
"""

from __future__ import annotations

import gc
import os
import sys

UNUSED = ("rich", "pygments", "yaml", "psutil")
FOR_MIGRATIONS = "greenlet"
FOR_TRACES = "opentelemetry"

GC_THRESHOLD = 50_000
"""New containers before a collection of the youngest generation: about what a batch of 500 events holds at once."""
GC_OLDER_THRESHOLD = 20
"""Collections of a generation before one of the next older generation."""


def prepare_to_load(*, may_migrate: bool = False) -> None:
    """Hide what this process does not use and collect garbage rarely; call it before libraries are imported.

    What is loaded already stays. OpenTelemetry is not hidden where one of its variables is set, nor the libraries of migrations
    in a process that may migrate.
    """
    _hide_unused_packages(may_migrate=may_migrate)
    collect_rarely()


def collect_rarely() -> None:
    """Have Python look for garbage seldom: hardly anything we do makes reference cycles."""
    gc.set_threshold(GC_THRESHOLD, GC_OLDER_THRESHOLD, GC_OLDER_THRESHOLD)


def _hide_unused_packages(*, may_migrate: bool) -> None:
    hidden = list(UNUSED)
    if not may_migrate:
        hidden.append(FOR_MIGRATIONS)
    if not any(name.startswith("OTEL_") for name in os.environ):
        hidden.append(FOR_TRACES)
    for name in hidden:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # what `import` takes for "there is none"
