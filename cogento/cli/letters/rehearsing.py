"""What a command would do to how many letters, said before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cogento.cli.letters.listing import print_groups
from cogento.cli.printing import print_json

if TYPE_CHECKING:
    from cogento.console.dead_letters import DeadLetterService
    from cogento.store.letter_records import LetterFilter


def dry_run(dead_letters: DeadLetterService, which: LetterFilter, *, verb: str, as_json: bool) -> None:
    """Say exactly how many letters of how many customers it would be."""
    matches = dead_letters.matching(which)
    customers = len({match.customer_id for match in matches})
    groups = dead_letters.groups(which)
    if as_json:
        print_json({"would": verb, "letters": len(matches), "customers": customers, "groups": groups})
        return
    if groups:
        print_groups(groups)
        click.echo()
    click.echo(f"This would {verb} {len(matches):,} letters of {customers:,} customers. --yes does it.")
