"""Logs, error reports and traces of a process: JSON lines on standard output, Sentry when a DSN is set, OpenTelemetry when asked.

None may carry payloads, secrets or personal data. A log line holds an event name in the past tense and its
fields. sentry.py takes a fifth of a second to load and is loaded only with a DSN. In the same way tracing.py is loaded only on
request: OpenTelemetry is an extra and may not be installed.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from cogento import failpoints
from cogento.accounts import working_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

    Fields: TypeAlias = MutableMapping[str, Any]

THROTTLE_SECONDS = 10

TRACES_GO_TO = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER")
"""OpenTelemetry's variables that name a receiver of traces; without any of them there are no traces."""

_log = structlog.get_logger()


def configure(
    process: str, *, level: str, sentry_dsn: str | None, sentry_environment: str = "production"
) -> None:
    """Set up this process's logs, error reports and traces; call it once, at the start."""

    def add_process(_logger: object, _method: str, fields: Fields) -> Fields:
        # Set for every thread; a context variable would hold only for one.
        fields["process"] = process
        return fields

    structlog.configure(
        processors=[
            add_process,
            _add_account,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _replace_error,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    if sentry_dsn:
        importlib.import_module("cogento.sentry").start(process, sentry_dsn, environment=sentry_environment)
    if failpoints.armed:
        # At the highest level, so that no LOG_LEVEL hides it.
        structlog.get_logger().critical("failpoints_armed", failpoints=failpoints.armed)
    _start_tracing(process)


@contextmanager
def logs_aside(*, least: int = logging.WARNING) -> Iterator[None]:
    """Keep the log out of what a command prints: warnings and worse go to standard error."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def report(error: BaseException) -> None:
    """Report a bug to the log, and to Sentry where it is configured; does not block."""
    structlog.get_logger().error("error_reported", exc_info=error)
    send_to_sentry(error)


def send_to_sentry(error: BaseException) -> None:
    """Report a bug to Sentry if this process uses it: by its DSN, or because the application around us does."""
    sentry = sys.modules.get("sentry_sdk")
    if sentry is not None:
        sentry.capture_exception(error)


def is_tracing() -> bool:
    """Tell whether this process makes traces: by its OTEL_* variables, or because the application around us does."""
    return "opentelemetry.sdk.trace" in sys.modules


def _start_tracing(process: str) -> None:
    """Begin to send traces if they are asked for. A platform may set these variables for every program, so failing is only a warning."""
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if (
        is_off
        or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
        or not any(map(os.environ.get, TRACES_GO_TO))
    ):
        return
    try:
        importlib.import_module("cogento.tracing").start(process)
    except ImportError as error:
        _log.warning(
            "traces_not_sent", missing=error.name, fix='pip install ".[otel]", or OTEL_SDK_DISABLED=true'
        )
    except LookupError as error:
        _log.warning(
            "traces_not_sent",
            missing=f"an exporter named {error}",
            fix="install it, or change OTEL_TRACES_EXPORTER",
        )


def _add_account(_logger: object, _method: str, fields: Fields) -> Fields:
    """Add the account whose work it is, where accounts have names."""
    account = working_for.get()
    if account is not None:
        fields["account_name"] = account
    return fields


def _replace_error(_logger: object, _method: str, fields: Fields) -> Fields:
    """Replace an exception by its type: its message may quote what was being written."""
    error = fields.pop("exc_info", None)
    if isinstance(error, BaseException):
        fields["error"] = code_of(error)
    return fields


def code_of(error: BaseException) -> str:
    """Name an error without its message: by its type, and by Postgres's code for it."""
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}:{state}" if state else type(error).__name__


@dataclass(slots=True)
class _Tally:
    count: int
    next_line_at: float


class ThrottledLog:
    """Log lines that a flood cannot multiply: one for each event name in an interval, with a count.

    The count of an interval is written with the first occurrence after it; the metrics are always exact. `clock` is
    monotonic, in seconds; `about` are fields of every line.
    """

    def __init__(self, clock: Callable[[], float], **about: object) -> None:
        self._clock = clock
        self._about = about
        self._tallies: dict[str, _Tally] = {}

    def warning(self, event: str, **fields: object) -> None:
        """Log that this happened (an event name in the past tense); `fields` are those of the last time."""
        now = self._clock()
        tally = self._tallies.setdefault(event, _Tally(count=0, next_line_at=now))
        tally.count += 1
        if now >= tally.next_line_at:
            _log.warning(event, count=tally.count, **self._about, **fields)
            self._tallies[event] = _Tally(count=0, next_line_at=now + THROTTLE_SECONDS)
