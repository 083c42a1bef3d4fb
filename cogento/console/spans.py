"""Lengths of time as people say them: the largest unit that fits, rounded down."""

from __future__ import annotations

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def duration(seconds: float) -> str:
    """`4 s`, `2 min`, `3 h`, `9 d`; below a second in milliseconds."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    size, unit = next((found for found in UNITS if seconds >= found[0]), (1, "s"))
    return f"{int(seconds // size)} {unit}"


def ago(seconds: float) -> str:
    """The same, seen from now."""
    return "just now" if seconds < 1 else f"{duration(seconds)} ago"
