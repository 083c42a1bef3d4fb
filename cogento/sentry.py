"""Error reports to Sentry, of a process that has a DSN; reporting.py loads this when there is one.

Events are rebuilt from an allow-list: messages of asyncpg's exceptions, and local variables, were seen to contain e-mail
addresses and secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import sentry_sdk
from sentry_sdk.integrations.atexit import AtexitIntegration

from cogento import VERSION
from cogento.reporting import code_of

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

FLUSH_SECONDS = 2
HARMLESS = ("event_id", "timestamp", "platform", "release", "environment", "level", "tags")
"""Fields kept in a Sentry event besides the stack frames. Without the id its client silently drops the event."""
OURS = ("cogento/", "receiver/", "worker/", "schema/")


def start(process: str, dsn: str, *, environment: str) -> None:
    """Send reports from now on, under the process's name."""
    sentry_sdk.init(
        dsn=dsn,
        release=f"cogento@{VERSION}",
        environment=environment,
        include_local_variables=False,
        max_request_body_size="never",
        send_default_pii=False,
        default_integrations=False,
        integrations=[AtexitIntegration(callback=lambda _pending, _seconds: None)],  # else it prints at exit
        max_breadcrumbs=0,
        traces_sample_rate=0,
        shutdown_timeout=FLUSH_SECONDS,
        before_send=_scrubbed,
    )
    sentry_sdk.set_tag("process", process)


def _scrubbed(event: Event, hint: Hint) -> Event:
    """Build a new event that holds only harmless fields."""
    error = hint.get("exc_info", (None, None, None))[1]
    allowed = cast("Event", {key: value for key, value in event.items() if key in HARMLESS})
    if error is not None:
        code = code_of(error)
        values = event.get("exception", {}).get("values") or [{}]
        frames = [
            {key: frame.get(key) for key in ("filename", "function", "lineno")}
            for frame in (values[-1].get("stacktrace") or {}).get("frames", [])
        ]
        allowed["exception"] = {"values": [{"type": code, "value": "", "stacktrace": {"frames": frames}}]}
        allowed["fingerprint"] = [code, _place(frames)]
    return allowed


def _place(frames: list[dict[str, object]]) -> str:
    """Name our innermost function, so that the same error from two places is two issues, and a moved line is still one."""
    ours = [frame for frame in frames if str(frame["filename"]).startswith(OURS)] or frames
    return f"{ours[-1]['filename']}:{ours[-1]['function']}" if ours else ""
