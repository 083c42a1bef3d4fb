"""Text as Postgres can hold it, and JSON text that is equal whenever the values are.

Works on decoded values: a NUL or half a surrogate pair cannot be found in serialised JSON without
mistaking an escaped backslash for one.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

REPLACEMENT = "\ufffd"

_SORTED = msgspec.json.Encoder(order="sorted")
_UNSAFE = re.compile("[\x00\ud800-\udfff]")


def safe_text(text: str) -> str:
    """Replace NUL and lone surrogates by U+FFFD; everything else stays as it is."""
    return _UNSAFE.sub(REPLACEMENT, text)


def safe_json(value: Any) -> Any:
    """Make every text of a decoded JSON value safe, keys included; of keys made equal the last counts."""
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, list):
        return [safe_json(item) for item in value]
    if isinstance(value, dict):
        return {safe_text(key): safe_json(item) for key, item in value.items()}
    return value


def canonical_json(value: Any) -> str:
    """Write a decoded JSON value with sorted keys and no spaces; raises ValueError for an infinite number."""
    text = _SORTED.encode(value).decode()
    if "null" in text and not _is_finite(value):  # msgspec writes null for an infinite number
        raise ValueError("JSON cannot write an infinite number")
    return text


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
