"""Columns of many rows as Postgres reads them: one text an array, `$1::TEXT::VARCHAR[]` in SQL.

The driver's own arrays ask of every single value whether it is another array, which was a fifth of what a worker
spent on writing (docs/decisions/0027). Knows no table.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_encode = msgspec.json.Encoder().encode

_MAY_NAME_CONTROL = re.compile(r"\\[bfnrtu]")
_ESCAPE = re.compile(r"\\(?:u....|.)")


def arrays(rows: Iterable[tuple[object, ...]]) -> Iterable[str]:
    """Turn rows into one array a column, as unnest takes them."""
    return map(array, zip(*rows, strict=True))


def array(values: Sequence[object]) -> str:
    """Write texts, numbers, truths, UUIDs and nulls as an array; bytes become texts in base64.

    It is JSON in other brackets: both quote alike, and escape quotes and backslashes alike.
    """
    written = _encode(values)[1:-1].decode()
    if _MAY_NAME_CONTROL.search(written):
        written = _ESCAPE.sub(_as_it_is, written)
    return f"{{{written}}}"


def _as_it_is(escape: re.Match[str]) -> str:
    """Give the control character that JSON has a name for: Postgres knows no such names."""
    character: str = json.loads(f'"{escape[0]}"')
    return escape[0] if character in {'"', "\\"} else character
