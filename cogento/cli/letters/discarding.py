"""`cogento letters discard`: closing letters without applying them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cogento.cli.letters.choosing import (
    all_option,
    filters,
    find_letters,
    letters_argument,
    matching_filter,
    who_option,
    yes_option,
)
from cogento.cli.letters.rehearsing import dry_run
from cogento.cli.printing import json_option, print_json
from cogento.cli.redelivering import batches
from cogento.console.failures import Failure
from cogento.console.opening import open_dead_letters

if TYPE_CHECKING:
    from cogento.store.letter_records import LetterFilter


@click.command()
@letters_argument
@filters
@all_option
@yes_option
@click.option("--why", required=True, metavar="TEXT", help="Why they need not be applied; it is kept.")
@who_option
@json_option
def discard(
    letters: tuple[str, ...],
    which: LetterFilter,
    *,
    everything: bool,
    yes: bool,
    why: str,
    who: str,
    as_json: bool,
) -> None:
    """Close open letters without applying them.

    LETTER is a number or the id of an event. Instead of naming letters they can be described by filters:
    then it is said how many there are, and --yes does it. The record stays; the bytes go in a month.
    """
    if not why.strip():
        raise click.UsageError("--why wants a reason.")
    described = matching_filter(which, letters=letters, everything=everything)
    with open_dead_letters(name="cogento letters") as dead_letters:
        if described and not yes:
            dry_run(dead_letters, described, verb="discard", as_json=as_json)
            return
        matches = dead_letters.matching(described) if described else find_letters(dead_letters, letters)
        done = sum(dead_letters.discard(batch, who=who, why=why.strip()) for batch in batches(matches))
    if as_json:
        print_json({"asked": len(matches), "discarded": done})
    else:
        click.echo(f"Discarded {done:,} of {len(matches):,} letters.")
    if done < len(matches):
        raise Failure("The others are not open: `cogento letters show` says how they stand.")
