from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from structlog.testing import capture_logs

from cogento.reporting import THROTTLE_SECONDS, ThrottledLog
from tests.support.builders import SECRET
from tests.support.receiver_fakes import SettableClock

ROOT = Path(__file__).parents[2]
LOADED = """
import sys, receiver.app, receiver.asgi, worker.process, cogento.console.connections
from cogento import reporting
reporting.configure("test", level="INFO", sentry_dsn=None)
print("sentry_sdk" in sys.modules)
"""


def test_who_has_no_dsn_does_not_load_sentry() -> None:
    settings = {"REDIS_URL": "redis://127.0.0.1:1/0", "STRIPE_WEBHOOK_SECRET": SECRET}
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, env=settings, capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "False\n"


def test_the_first_alarm_is_logged_at_once() -> None:
    with capture_logs() as lines:
        ThrottledLog(SettableClock()).warning("signature_refused", flaw="missing")
    assert lines == [{"event": "signature_refused", "log_level": "warning", "count": 1, "flaw": "missing"}]


def test_a_flood_is_one_line_an_interval_with_its_count() -> None:
    clock = SettableClock()
    log = ThrottledLog(clock)
    with capture_logs() as lines:
        _flood(log, times=1000)
        clock.now += THROTTLE_SECONDS
        _flood(log, times=1000)
    assert [line["count"] for line in lines] == [1, 1000]


def test_alarms_of_another_kind_have_lines_of_their_own() -> None:
    log = ThrottledLog(SettableClock())
    with capture_logs() as lines:
        log.warning("signature_refused")
        log.warning("queue_full")
    assert [line["event"] for line in lines] == ["signature_refused", "queue_full"]


def _flood(log: ThrottledLog, *, times: int) -> None:
    for _ in range(times):
        log.warning("signature_refused")
