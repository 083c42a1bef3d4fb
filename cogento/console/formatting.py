"""Text for people: foreign text made safe for a terminal, moments, and lengths of time; and the JSON of values for programs.

A customer's name may hold anything: escape sequences that recolour or retitle a terminal, controls
that rewrite the line above, overrides that turn text around. They are shown as escapes instead.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import time
import unicodedata
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Cc controls, Cf formats (direction overrides, zero width), Cs surrogates, Co private, Zl and Zp line breaks.
UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
LONGEST = 200
SECONDS_IN = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
LONGEST_AGE = 36_525 * 86_400
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def printable(text: object, *, longest: int = LONGEST) -> str:
    r"""The text on one line, unsafe characters as `\x1b`, cut at `longest` characters."""
    shown = "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in UNSAFE_CATEGORIES
        else character
        for character in str(text)[: longest + 1]
    )
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def second(when: dt.datetime) -> str:
    """A moment to the second, as tables of this project show it."""
    return f"{when:%Y-%m-%d %H:%M:%S}"


def clock(stamp: float, *, now: float | None = None) -> str:
    """A Unix second as a clock shows it, in UTC: `16:21`, with the date unless it is today's."""
    when = dt.datetime.fromtimestamp(stamp, dt.UTC)
    today = dt.datetime.fromtimestamp(time.time() if now is None else now, dt.UTC).date()
    return f"{when:%H:%M}" if when.date() == today else f"{when:%Y-%m-%d %H:%M}"


def duration(seconds: float) -> str:
    """Write a length of time: `4 s`, `2 min`, `3 h`, `9 d`; below a second in milliseconds."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    size, unit = next((found for found in UNITS if seconds >= found[0]), (1, "s"))
    return f"{int(seconds // size)} {unit}"


def ago(seconds: float) -> str:
    """Write how long ago something was: `4 s ago`."""
    return "just now" if seconds < 1 else f"{duration(seconds)} ago"


def parse_age(text: str) -> int | None:
    """Return in seconds a length of time as people write it, `90s`, `30min`, `12h`, `3d` or `2w`; None for anything else.

    At most LONGEST_AGE, which is before everything: Postgres knows no time that is much longer ago.
    """
    found = re.fullmatch(r"([0-9]{1,6})(s|min|h|d|w)", text)
    return min(int(found[1]) * SECONDS_IN[found[2]], LONGEST_AGE) if found else None


def counted(count: int | None, noun: str) -> str:
    """Write how many: `1 event`, `1,234 events`, and `0 events` for None."""
    return f"1 {noun}" if count == 1 else f"{count or 0:,} {noun}s"


def join_words(words: Iterable[str]) -> str:
    """Name several things in a sentence: `a`, `a and b`, `a, b and c`."""
    *before, last = words
    return f"{', '.join(before)} and {last}" if before else last


def items_in_words(items: Sequence[Mapping[str, object]]) -> str:
    """Say what a subscription's items sell: `2 x price_a, price_b`."""
    return ", ".join(
        f"{item['price']}" if item["quantity"] in {None, 1} else f"{item['quantity']} x {item['price']}"
        for item in items
    )


def plain(value: object) -> object:
    """The `default` of `json.dumps`: a dataclass as its fields by name, a set sorted, a time in ISO 8601, a UUID as str."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
