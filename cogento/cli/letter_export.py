"""`cogento letters export`: NDJSON for programs, CSV for spreadsheets, in which no cell may run as a formula."""

from __future__ import annotations

import base64
import csv
import dataclasses
import datetime as dt
import errno
import json
import os
import secrets
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from cogento.cli.letter_selection import filters, status_option, with_statuses
from cogento.cli.options import who_option
from cogento.console.connections import open_dead_letters
from cogento.console.errors import Failure
from cogento.console.formatting import printable
from cogento.store.letter_records import Letter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cogento.console.dead_letters import DeadLetterService
    from cogento.store.letter_records import LetterFilter

PAGE = 500
STANDARD_OUTPUT = "-"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""Characters at the start that make a cell a formula; the apostrophe is among them so that readers can always take one off."""

BODY = "body_base64"
COLUMNS = tuple(field.name for field in dataclasses.fields(Letter))


@dataclass(frozen=True, slots=True)
class ExportedLetter:
    """A letter to write; with its body (None when that was erased) or without."""

    letter: Letter
    body: bytes | None
    with_body: bool


def write_ndjson(stream: TextIO, rows: Iterable[ExportedLetter]) -> int:
    """Write one JSON object a line, ASCII only; returns how many."""
    count = 0
    for row in rows:
        stream.write(json.dumps(_fields(row)) + "\n")
        count += 1
    return count


def write_csv(stream: TextIO, rows: Iterable[ExportedLetter]) -> int:
    """Write a line of names and one for each letter (RFC 4180); returns how many letters.

    A text that begins like a formula has an apostrophe put before it.
    """
    writer = csv.writer(stream)
    count = 0
    for row in rows:
        fields = _fields(row)
        if not count:
            writer.writerow(fields)
        writer.writerow(
            f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
            for value in fields.values()
        )
        count += 1
    if not count:
        writer.writerow(COLUMNS)
    return count


def _fields(row: ExportedLetter) -> dict[str, object]:
    values = ((name, getattr(row.letter, name)) for name in COLUMNS)
    fields = {name: value.isoformat() if isinstance(value, dt.datetime) else value for name, value in values}
    if row.with_body:
        fields[BODY] = None if row.body is None else base64.b64encode(row.body).decode()
    return fields


FORMATS: dict[str, Callable[[TextIO, Iterable[ExportedLetter]], int]] = {
    "ndjson": write_ndjson,
    "csv": write_csv,
}


@click.command()
@click.argument("file")
@filters
@status_option
@click.option(
    "--format",
    "format_",
    type=click.Choice([*FORMATS]),
    help="By default the one that FILE's name ends with.",
)
@click.option(
    "--bodies",
    is_flag=True,
    help="Also the events' bytes, in base64: they hold personal data, and the export is recorded.",
)
@click.option("--why", default="", metavar="TEXT", help="Why the bytes are wanted; it is kept.")
@who_option
def export(
    file: str,
    which: LetterFilter,
    *,
    statuses: tuple[str, ...],
    format_: str | None,
    bodies: bool,
    why: str,
    who: str,
) -> None:
    """Write dead letters to FILE as NDJSON or CSV; - is standard output.

    In CSV a cell that a spreadsheet would take for a formula has an apostrophe before it.
    """
    write = FORMATS.get(format_ or Path(file).suffix.removeprefix("."))
    if write is None:
        raise click.UsageError("Say --format ndjson or csv, or name a file that ends with .ndjson or .csv.")
    wanted = with_statuses(which, statuses)
    with open_dead_letters(name="cogento letters") as dead_letters, _opened(file) as stream:
        if bodies:
            dead_letters.record_export(wanted, who=who, why=why)
        count = write(stream, _rows(dead_letters, wanted, bodies=bodies))
    what = "with their bodies" if bodies else "without their bodies"
    click.echo(f"Wrote {count:,} letters to {printable(file)}, {what}.", err=True)


def _rows(dead_letters: DeadLetterService, which: LetterFilter, *, bodies: bool) -> Iterator[ExportedLetter]:
    below = None
    while page := dead_letters.page(which, below=below, limit=PAGE):
        below = page[-1].id
        for letter in page:
            yield ExportedLetter(letter, dead_letters.body(letter.id) if bodies else None, with_body=bodies)


@contextmanager
def _opened(file: str) -> Iterator[TextIO]:
    """Make a file that only its owner may read; it has its name once all is written. An existing file is an error."""
    if file == STANDARD_OUTPUT:
        yield sys.stdout
        return
    unfinished = Path(file).parent / f".{secrets.token_hex(8)}.unfinished"
    with _named_in_errors(file):
        _refuse_existing(file)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            yield stream
        with _named_in_errors(file):
            _refuse_existing(file)
            os.rename(unfinished, file)  # noqa: PTH104 - Path would take the slash off `name/`
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _named_in_errors(file: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failure(
            f"{printable(file)} cannot be written: {error.strerror}. Choose another name."
        ) from error


def _refuse_existing(file: str) -> None:
    if os.path.lexists(file):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
