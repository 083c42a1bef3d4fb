"""`cogento letters discard`: closing letters without applying them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cogento.cli.letters.choosing import (
    all_option,
    filters,
    letters_argument,
    named,
    open_ones,
    who_option,
    yes_option,
)
from cogento.cli.letters.rehearsing import rehearse
from cogento.cli.printing import json_option, print_json
from cogento.cli.redelivering import batches
from cogento.console.failures import Failure
from cogento.console.opening import opened_desk

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
    described = open_ones(which, letters=letters, everything=everything)
    with opened_desk(name="cogento letters") as desk:
        if described and not yes:
            rehearse(desk, described, verb="discard", as_json=as_json)
            return
        matches = desk.matching(described) if described else named(desk, letters)
        done = sum(desk.discard(batch, who=who, why=why.strip()) for batch in batches(matches))
    if as_json:
        print_json({"asked": len(matches), "discarded": done})
    else:
        click.echo(f"Discarded {done:,} of {len(matches):,} letters.")
    if done < len(matches):
        raise Failure("The others are not open: `cogento letters show` says how they stand.")
