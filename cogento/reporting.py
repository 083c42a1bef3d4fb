"""Logs and error reports of a process: JSON lines on standard output, and Sentry when a DSN is set.

Neither may carry payloads, secrets or personal data. A log line holds an event name in the past tense and its
fields. Sentry events are rebuilt from an allow-list: exception texts of asyncpg and local variables were seen to
carry addresses and secrets.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import sentry_sdk
import structlog
from sentry_sdk.integrations.atexit import AtexitIntegration

from cogento import VERSION, failpoints

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from sentry_sdk.types import Event, Hint

    Fields: TypeAlias = MutableMapping[str, Any]

FLUSH_SECONDS = 2
THROTTLE_SECONDS = 10
HARMLESS = ("event_id", "timestamp", "platform", "release", "level", "tags")
"""Fields kept in a Sentry event besides the stack frames. Without the id its client silently drops the event."""

_log = structlog.get_logger()


def configure(process: str, *, level: str, sentry_dsn: str | None) -> None:
    """Set up this process's logs and error reports; call it once, at the start."""

    def add_process(_logger: object, _method: str, fields: Fields) -> Fields:
        # In every thread, as context variables would not.
        fields["process"] = process
        return fields

    structlog.configure(
        processors=[
            add_process,
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
        sentry_sdk.init(
            dsn=sentry_dsn,
            release=VERSION,
            include_local_variables=False,
            max_request_body_size="never",
            send_default_pii=False,
            default_integrations=False,
            integrations=[
                AtexitIntegration(callback=lambda _pending, _seconds: None)
            ],  # else it prints at exit
            max_breadcrumbs=0,
            traces_sample_rate=0,
            shutdown_timeout=FLUSH_SECONDS,
            before_send=_scrubbed,
        )
        sentry_sdk.set_tag("process", process)
    if failpoints.armed:
        # At the highest level, so that no LOG_LEVEL hides it.
        structlog.get_logger().critical("failpoints_armed", failpoints=failpoints.armed)


def report(error: BaseException) -> None:
    """Report a bug to the log, and to Sentry where it is configured; does not block."""
    structlog.get_logger().error("error_reported", exc_info=error)
    sentry_sdk.capture_exception(error)


def _replace_error(_logger: object, _method: str, fields: Fields) -> Fields:
    """Replace an exception by its type: its text may quote what was being written."""
    error = fields.pop("exc_info", None)
    if isinstance(error, BaseException):
        fields["error"] = _code_of(error)
    return fields


def _scrubbed(event: Event, hint: Hint) -> Event:
    """Build a new event that holds only harmless fields."""
    error = hint.get("exc_info", (None, None, None))[1]
    allowed = cast("Event", {key: value for key, value in event.items() if key in HARMLESS})
    if error is not None:
        code = _code_of(error)
        values = event.get("exception", {}).get("values") or [{}]
        frames = [
            {key: frame.get(key) for key in ("filename", "function", "lineno")}
            for frame in (values[-1].get("stacktrace") or {}).get("frames", [])
        ]
        allowed["exception"] = {"values": [{"type": code, "value": "", "stacktrace": {"frames": frames}}]}
        allowed["fingerprint"] = [code]
    return allowed


def _code_of(error: BaseException) -> str:
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}:{state}" if state else type(error).__name__


@dataclass(slots=True)
class _Tally:
    count: int
    next_line_at: float


class ThrottledLog:
    """Log lines that a flood cannot multiply: one for each event name in an interval, with a count.

    The count of an interval is written with the first occurrence after it; the metrics are always exact. `clock` is
    monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tallies: dict[str, _Tally] = {}

    def warning(self, event: str, **fields: object) -> None:
        """Note that this happened (an event name in the past tense); `fields` are of the last time."""
        now = self._clock()
        tally = self._tallies.setdefault(event, _Tally(count=0, next_line_at=now))
        tally.count += 1
        if now >= tally.next_line_at:
            _log.warning(event, count=tally.count, **fields)
            self._tallies[event] = _Tally(count=0, next_line_at=now + THROTTLE_SECONDS)
