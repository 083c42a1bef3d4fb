"""Letters as lines of a file: NDJSON for programs, CSV for spreadsheets, which must not run what it says."""

from __future__ import annotations

import base64
import csv
import dataclasses
import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from cogento.store.letter_records import Letter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""What makes a spreadsheet read a cell as a formula; the apostrophe is here so that readers can take one off."""

BODY = "body_base64"
COLUMNS = tuple(field.name for field in dataclasses.fields(Letter))


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A letter to write; with its body (None when that was erased) or without."""

    letter: Letter
    body: bytes | None
    with_body: bool


def write_ndjson(stream: TextIO, rows: Iterable[LetterRow]) -> int:
    """Write one JSON object a line, ASCII only; how many, is returned."""
    count = 0
    for row in rows:
        stream.write(json.dumps(_fields(row)) + "\n")
        count += 1
    return count


def write_csv(stream: TextIO, rows: Iterable[LetterRow]) -> int:
    """Write a line of names and one a letter (RFC 4180); how many letters, is returned.

    A text that begins like a formula has an apostrophe put before it.
    """
    writer = csv.writer(stream)
    count = 0
    for row in rows:
        fields = _fields(row)
        if not count:
            writer.writerow(fields)
        writer.writerow(map(_cell, fields.values()))
        count += 1
    if not count:
        writer.writerow(COLUMNS)
    return count


FORMATS: dict[str, Callable[[TextIO, Iterable[LetterRow]], int]] = {"ndjson": write_ndjson, "csv": write_csv}


def _fields(row: LetterRow) -> dict[str, object]:
    fields: dict[str, object] = {name: _plain(getattr(row.letter, name)) for name in COLUMNS}
    if row.with_body:
        fields[BODY] = None if row.body is None else base64.b64encode(row.body).decode()
    return fields


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.datetime) else value


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value
