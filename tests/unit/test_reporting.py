from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cogento.local.ports import LOCALHOST
from cogento.reporting import THROTTLE_SECONDS, ThrottledLog
from tests.support.builders import SECRET
from tests.support.receiver_fakes import SettableClock

ROOT = Path(__file__).parents[2]
LOADED = """
import sys, receiver.app, receiver.asgi, worker.process, cogento.console.connections
from cogento import reporting
reporting.configure("test", level="INFO", sentry_dsn=None)
print([name for name in ("sentry_sdk", "cogento.tracing", "opentelemetry.sdk.trace") if name in sys.modules])
"""
NOT_INSTALLED = """
import sys; sys.modules["opentelemetry"] = None
from cogento import reporting
reporting.configure("test", level="INFO", sentry_dsn=None)
"""
UNSENT = """
from cogento import reporting
reporting.configure("test", level="INFO", sentry_dsn=None)
from cogento.tracing import begin
begin("last").end()
"""
ELSEWHERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


def run(code: str, **settings: str) -> str:
    """Run code in a process with these settings and no others, and return what it printed."""
    settings |= {"REDIS_URL": "redis://127.0.0.1:1/0", "STRIPE_WEBHOOK_SECRET": SECRET}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        check=True,
        timeout=25,
    ).stdout


@pytest.mark.parametrize(
    "settings",
    [
        {},
        ELSEWHERE | {"OTEL_SDK_DISABLED": "true"},
        ELSEWHERE | {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SERVICE_NAME": "shop"},
    ],
    ids=",".join,
)
def test_who_asks_for_neither_error_reports_nor_traces_does_not_load_them(settings: dict[str, str]) -> None:
    assert run(LOADED, **settings) == "[]\n"


@pytest.mark.parametrize(
    ("code", "settings", "missing"),
    [
        (NOT_INSTALLED, ELSEWHERE, '"missing": "opentelemetry"'),
        (LOADED, ELSEWHERE | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "an exporter named otlp_proto_grpc"),
        (LOADED, {"OTEL_TRACES_EXPORTER": "pigeon"}, "an exporter named pigeon"),
    ],
)
def test_traces_that_cannot_be_sent_are_told_of_and_nothing_else_changes(
    code: str, settings: dict[str, str], missing: str
) -> None:
    told = run(code, **settings)
    assert '"event": "traces_not_sent"' in told
    assert missing in told


def test_a_collector_that_answers_nothing_holds_no_process_back_at_its_end() -> None:
    # By itself the SDK would wait for half a minute, more than `run` does.
    with socket.create_server((LOCALHOST, 0)) as deaf:
        nowhere = f"http://{LOCALHOST}:{deaf.getsockname()[1]}"
        run(UNSENT, OTEL_EXPORTER_OTLP_ENDPOINT=nowhere, OTEL_EXPORTER_OTLP_TIMEOUT="3600")


def test_the_first_alarm_is_logged_at_once() -> None:
    with capture_logs() as lines:
        ThrottledLog(SettableClock()).warning("signature_refused", reason="missing")
    assert lines == [{"event": "signature_refused", "log_level": "warning", "count": 1, "reason": "missing"}]


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
