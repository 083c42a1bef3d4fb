"""Who paused one customer or all, when and why: one value in Redis, "ms {who and why as JSON}".

Releases before 0.2 wrote the ms alone and ask only whether there is a value. Knows nothing of Redis.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

MAX_REASON_CHARACTERS = 500
"""The longest reason in characters; every form and command that asks for one keeps to it."""


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause; `who` and `why` are empty where nobody said, and `since_ms` is None where the value is not ours to read."""

    since_ms: int | None
    who: str = ""
    why: str = ""


class _Said(msgspec.Struct):
    who: str = ""
    why: str = ""


def format_reason(*, who: str, why: str) -> bytes:
    """Return what pause.lua writes after the time."""
    return msgspec.json.encode(_Said(who, why))


def read_pause(value: bytes | None) -> Pause | None:
    """Return the pause that a value describes; None where there is none."""
    if value is None:
        return None
    since, _, said = value.partition(b" ")
    since_ms = int(since) if since.isdigit() else None
    try:
        reason = msgspec.json.decode(said, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError):
        reason = _Said()
    return Pause(since_ms, reason.who, reason.why)
