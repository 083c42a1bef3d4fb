"""Packages that libraries load because they are installed, and that a process of ours has no use for: 8 MB of each process.

structlog loads rich and pygments to colour a terminal, and greenlet to know threads by; kombu loads PyYAML for messages
that nobody sends; redis loads OpenTelemetry's SDK to count what nobody asked for. All of them do without where it is not
installed.
"""

from __future__ import annotations

import os
import sys

UNUSED = ("rich", "greenlet", "yaml")
FOR_TRACES = "opentelemetry"


def hide_unused_packages() -> None:
    """Have these packages count as not installed in this process; call it before the libraries are imported.

    What is loaded already stays, and OpenTelemetry does where a variable of its own is set.
    """
    is_for_traces = any(name.startswith("OTEL_") for name in os.environ)
    for name in UNUSED if is_for_traces else (*UNUSED, FOR_TRACES):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # what `import` takes for "there is none"
