"""Text as Postgres can hold it, and JSON text that is equal whenever the values are.

Works on decoded values: a NUL or half a surrogate pair cannot be found in serialised JSON without
mistaking an escaped backslash for one.
"""

from __future__ import annotations

import json
import re
from typing import Any

REPLACEMENT = "\ufffd"

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
    """Write JSON with sorted keys and no spaces; raises ValueError for a number JSON cannot write."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
