"""How a process speaks: JSON lines on standard output, and errors to Sentry when it is told where.

Neither may carry payloads, secrets or personal data. Logs hold an event name in the past tense and the
fields they were given; Sentry events are rebuilt from an allow-list, because exception texts of asyncpg
and local variables were measured to carry addresses and secrets.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, cast

import sentry_sdk
import structlog
from sentry_sdk.integrations.atexit import AtexitIntegration

from cogento import failpoints
from cogento.version import VERSION

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from sentry_sdk.types import Event, Hint

FLUSH_SECONDS = 2
HARMLESS = ("event_id", "timestamp", "platform", "release", "level", "tags")
"""What Sentry is told besides where our code was. Without the id its client drops a report in silence."""


def configure(process: str, *, level: str, sentry_dsn: str | None) -> None:
    """Set up this process's logs and error reports; call once, where the process is composed."""
    structlog.configure(
        processors=[
            _Named(process),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _name_error,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    if sentry_dsn:
        _report_to(sentry_dsn, process)
    if failpoints.armed:
        # At the highest level, so that no LOG_LEVEL hides it.
        structlog.get_logger().critical("failpoints_armed", failpoints=failpoints.armed)


def report(error: BaseException) -> None:
    """Tell the log, and Sentry where there is one, of a mistake of ours; nobody waits for either."""
    structlog.get_logger().error("error_reported", exc_info=error)
    sentry_sdk.capture_exception(error)


class _Named:
    """Adds the process's name in every thread, which context variables would not."""

    def __init__(self, process: str) -> None:
        self._process = process

    def __call__(
        self, _logger: object, _method: str, fields: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        fields["process"] = self._process
        return fields


def _name_error(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace an exception by its type: its text may quote what was being written."""
    error = fields.pop("exc_info", None)
    if isinstance(error, BaseException):
        fields["error"] = _code_of(error)
    return fields


def _report_to(dsn: str, process: str) -> None:
    sentry_sdk.init(
        dsn=dsn,
        release=VERSION,
        include_local_variables=False,
        max_request_body_size="never",
        send_default_pii=False,
        default_integrations=False,
        integrations=[AtexitIntegration(callback=_say_nothing)],
        max_breadcrumbs=0,
        traces_sample_rate=0,
        shutdown_timeout=FLUSH_SECONDS,
        before_send=_allowed,
    )
    sentry_sdk.set_tag("process", process)


def _say_nothing(_pending: int, _seconds: float) -> None:
    """What Sentry would print at exit."""


def _allowed(event: Event, hint: Hint) -> Event:
    """A new event that holds only what is known to be harmless."""
    error = hint.get("exc_info", (None, None, None))[1]
    allowed = cast("Event", {key: value for key, value in event.items() if key in HARMLESS})
    if error is not None:
        code = _code_of(error)
        allowed["exception"] = {"values": [{"type": code, "value": "", "stacktrace": _frames(event)}]}
        allowed["fingerprint"] = [code]
    return allowed


def _frames(event: Event) -> dict[str, Any]:
    values = event.get("exception", {}).get("values") or [{}]
    frames = (values[-1].get("stacktrace") or {}).get("frames", [])
    return {
        "frames": [{key: frame.get(key) for key in ("filename", "function", "lineno")} for frame in frames]
    }


def _code_of(error: BaseException) -> str:
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}:{state}" if state else type(error).__name__
