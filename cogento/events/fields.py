"""Reads values of a Stripe object: each has the type that the tables need, or the event is malformed.

Absent and null are the same. Messages name the field and never quote its value. Knows no kind of object.
"""

from __future__ import annotations

from typing import Any, NoReturn

from cogento.events.errors import PermanentError
from cogento.events.letters import LetterReason
from cogento.events.strict_json import canonical_json

LATEST_TIME = 253_402_300_799  # the end of 9999: the last second that every client of Postgres can show

Json = dict[str, Any]


def text(obj: Json, key: str, *, longest: int | None = None) -> str | None:
    """Read a string of at most `longest` characters."""
    value = obj.get(key)
    if value is not None and not isinstance(value, str):
        malformed(f"`{key}` is not a string")
    if value is not None and longest is not None and len(value) > longest:
        malformed(f"`{key}` is longer than {longest} characters")
    return value


def time(obj: Json, key: str) -> int | None:
    """Read a time in whole Unix seconds, from 1970 to 9999."""
    value = obj.get(key)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= LATEST_TIME:
        malformed(f"`{key}` is not a valid time")
    return value


def number(obj: Json, key: str) -> int | None:
    """Read a whole number of at most 64 bits."""
    value = obj.get(key)
    if value is None:
        return None
    if type(value) is not int or not -(2**63) <= value < 2**63:
        malformed(f"`{key}` is not a whole number that a table can hold")
    return value


def nested(obj: Json, key: str) -> Json | None:
    """Read an object inside an object."""
    value = obj.get(key)
    if value is not None and not isinstance(value, dict):
        malformed(f"`{key}` is not an object")
    return value


def nested_text(obj: Json, key: str) -> str | None:
    """Read an object inside an object, as canonical JSON."""
    value = nested(obj, key)
    if value is None:
        return None
    try:
        return canonical_json(value)
    except ValueError:
        malformed(f"`{key}` holds a number that JSON columns cannot hold")


def rows(obj: Json, key: str) -> list[Json]:
    """Read the rows of a list object (`{"object": "list", "data": […]}`); none when it is absent."""
    data = (nested(obj, key) or {}).get("data") or []
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        malformed(f"`{key}` is not a list of objects")
    return data


def malformed(message: str) -> NoReturn:
    """Raise PermanentError: no later attempt can read the event."""
    raise PermanentError(LetterReason.MALFORMED, message)
