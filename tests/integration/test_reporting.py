"""What reaches Sentry from a process that ends right after its mistake, and what never does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.sentry import listening_sentry

ROOT = Path(__file__).parents[2]
CANARY = "ada@example.com"
MISTAKE = f"""
from cogento import reporting
reporting.configure("worker", level="INFO", sentry_dsn="{{dsn}}")
try:
    canary = "{CANARY}"
    raise KeyError(canary)
except KeyError as error:
    reporting.report(error)
"""


def test_a_mistake_is_told_before_the_process_ends_and_quotes_nothing() -> None:
    with listening_sentry() as sentry:
        code = MISTAKE.replace("{dsn}", sentry.dsn)
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
        )
    (envelope,) = sentry.envelopes
    assert '"type":"KeyError"' in envelope
    assert '"event": "error_reported"' in done.stdout
    assert CANARY not in envelope + done.stdout + done.stderr
