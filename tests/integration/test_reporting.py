"""What reaches Sentry from a process that ends right after an error, and what never does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cogento import VERSION
from tests.support.listeners import Sentry, listening

ROOT = Path(__file__).parents[2]
CANARY = "ada@example.com"
MISTAKE = f"""
from cogento import reporting
from cogento.retries import next_delay
from cogento.urls import http_url
reporting.configure("worker", level="INFO", sentry_dsn="{{dsn}}", sentry_environment="staging")
canary = "{CANARY}"
for mistake in (lambda: next_delay(canary, 1, jitter=0.5), lambda: http_url(canary), lambda: http_url("")):
    try:
        mistake()
    except Exception as error:
        reporting.report(error)
"""


def test_a_mistake_is_told_before_the_process_ends_and_quotes_nothing() -> None:
    with listening(Sentry()) as sentry:
        code = MISTAKE.replace("{dsn}", sentry.dsn)
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
        )
    events = [json.loads(envelope.splitlines()[-1]) for envelope in sentry.envelopes]
    assert [event["exception"]["values"][0]["type"] for event in events] == [
        "KeyError",
        *["UnusableUrlError"] * 2,
    ]
    assert [event["fingerprint"] for event in events] == [
        ["KeyError", "cogento/retries.py:next_delay"],
        ["UnusableUrlError", "cogento/urls.py:_read"],
        ["UnusableUrlError", "cogento/urls.py:_read"],
    ]
    assert {(event["environment"], event["release"]) for event in events} == {
        ("staging", f"cogento@{VERSION}")
    }
    assert done.stdout.count('"event": "error_reported"') == 3
    assert CANARY not in "".join(sentry.envelopes) + done.stdout + done.stderr
