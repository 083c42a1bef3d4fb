"""`cogento letters export`: letters as a file for other programs."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from cogento.cli.letter_files import FORMATS, LetterRow
from cogento.cli.letters.choosing import filters, status_option, with_statuses
from cogento.console.failures import Failure
from cogento.console.opening import open_dead_letters
from cogento.console.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.console.dead_letters import DeadLetterService
    from cogento.store.letter_records import LetterFilter

PAGE = 500
STANDARD_OUTPUT = "-"


@click.command()
@click.argument("file")
@filters
@status_option
@click.option(
    "--format", "format_", type=click.Choice([*FORMATS]), help="By default what FILE's name ends with."
)
@click.option("--bodies", is_flag=True, help="The events' bytes too, in base64; they hold personal data.")
def export(
    file: str, which: LetterFilter, *, statuses: tuple[str, ...], format_: str | None, bodies: bool
) -> None:
    """Write dead letters to FILE as NDJSON or CSV; - is standard output.

    In CSV a cell that a spreadsheet would take for a formula has an apostrophe before it.
    """
    write = FORMATS.get(format_ or Path(file).suffix.removeprefix("."))
    if write is None:
        raise click.UsageError("Say --format ndjson or csv, or name a file that ends with .ndjson or .csv.")
    with open_dead_letters(name="cogento letters") as dead_letters, _opened(file) as stream:
        count = write(stream, _rows(dead_letters, with_statuses(which, statuses), bodies=bodies))
    what = "with their bodies" if bodies else "without their bodies"
    click.echo(f"Wrote {count:,} letters to {printable(file)}, {what}.", err=True)


def _rows(dead_letters: DeadLetterService, which: LetterFilter, *, bodies: bool) -> Iterator[LetterRow]:
    below = None
    while page := dead_letters.page(which, below=below, limit=PAGE):
        below = page[-1].id
        for letter in page:
            yield LetterRow(letter, dead_letters.body(letter.id) if bodies else None, with_body=bodies)


@contextmanager
def _opened(file: str) -> Iterator[TextIO]:
    """Make a file that only its owner may read; one that exists stays."""
    if file == STANDARD_OUTPUT:
        yield sys.stdout
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Failure(f"{printable(file)} cannot be made: {error.strerror}.") from error
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
        yield stream
