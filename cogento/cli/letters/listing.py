"""`cogento letters list`: by what they died of first, then one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cogento.cli.letters.choosing import filters, status_option, with_statuses
from cogento.cli.printing import json_option, print_json, print_table
from cogento.console.opening import open_dead_letters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.store.letter_records import Letter, LetterFilter, LetterGroup


@click.command("list")
@filters
@status_option
@click.option("--each", is_flag=True, help="The letters one by one too, also of several causes.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@json_option
def list_(which: LetterFilter, *, statuses: tuple[str, ...], each: bool, limit: int, as_json: bool) -> None:
    """List dead letters, grouped by what they died of.

    Of a single cause the letters themselves are listed too; --fingerprint narrows it to one.
    """
    wanted = with_statuses(which, statuses)
    with open_dead_letters(name="cogento letters") as dead_letters:
        groups = dead_letters.groups(wanted, limit=limit)
        listed = dead_letters.page(wanted, limit=limit)
    if as_json:
        print_json({"groups": groups, "letters": listed})
    elif not groups:
        click.echo("There are none.")
    else:
        print_groups(groups)
        if each or len(groups) == 1:
            _print_letters(listed)


def print_groups(groups: Sequence[LetterGroup]) -> None:
    """Print one line a cause."""
    rows = [
        (
            group.fingerprint,
            f"{group.letters:,}",
            f"{group.customers:,}",
            f"{group.last_died_at:%Y-%m-%d %H:%M}",
            group.reason,
            group.failure_code or "",
            group.event_type,
            group.message,
        )
        for group in groups
    ]
    print_table(
        ("FINGERPRINT", "LETTERS", "CUSTOMERS", "LAST DIED", "REASON", "CODE", "TYPE", "WHAT IT MEANS"), rows
    )


def _print_letters(letters: Sequence[Letter]) -> None:
    click.echo()
    rows = [
        (
            letter.id,
            letter.event_id,
            letter.customer_id,
            f"{letter.event_created_at:%Y-%m-%d %H:%M:%S}",
            f"{letter.died_at:%Y-%m-%d %H:%M:%S}",
            letter.status,
            letter.replays,
        )
        for letter in letters
    ]
    print_table(("LETTER", "EVENT", "CUSTOMER", "HAPPENED", "DIED", "STATUS", "RETRIES"), rows)
