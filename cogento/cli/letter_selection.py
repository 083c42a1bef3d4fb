"""Which letters a command is about: named one by one, or described by filters. The same for every command."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from cogento.cli.printing import print_json, print_table
from cogento.console.errors import Failure
from cogento.console.formatting import counted, parse_age, printable
from cogento.events.letters import LetterReason
from cogento.store.letter_records import LetterFilter, LetterStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogento.console.dead_letters import DeadLetterService
    from cogento.store.letter_records import Letter, LetterGroup

OPEN = frozenset({LetterStatus.OPEN})
EVERY_STATUS = "all"


letters_argument = click.argument("letters", nargs=-1, metavar="[LETTER]...")
all_option = click.option("--all", "everything", is_flag=True, help="Every open letter.")
yes_option = click.option("--yes", is_flag=True, help="Really do it (without: dry run).")


def _seconds(_context: click.Context, _option: click.Parameter, age: str | None) -> int | None:
    """Return in seconds a length of time as people write it."""
    if age is None:
        return None
    seconds = parse_age(age)
    if seconds is None:
        raise click.BadParameter("a length of time looks like 90s, 30min, 12h, 3d or 2w")
    return seconds


FILTERS = (
    click.option(
        "--reason", type=click.Choice([reason.value for reason in LetterReason]), help="Only of this reason."
    ),
    click.option("--type", "type_", metavar="TYPE", help="The event's type, customer.updated for example."),
    click.option("--customer", "about", metavar="ID", help="Of this customer, subscription or event."),
    click.option("--fingerprint", metavar="HEX", help="Of one cause, as `letters list` names it."),
    click.option(
        "--older", metavar="AGE", callback=_seconds, help="Failed at least AGE ago: 30min, 12h, 3d."
    ),
    click.option("--newer", metavar="AGE", callback=_seconds, help="Failed less than AGE ago."),
    click.option("--text", metavar="TEXT", help="Has this text in an id, a code, a message or a resolution."),
    click.option("--removals", is_flag=True, help="Only cancellations and deletions."),
)
status_option = click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([*(status.value for status in LetterStatus), EVERY_STATUS]),
    help="By default those that are open or retrying.",
)


def filters(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filters' options to a command, which gets their values as `which`."""

    @functools.wraps(function)
    def gathered(*args: Any, **values: Any) -> Any:
        which = LetterFilter(
            reason=values.pop("reason"),
            type=values.pop("type_"),
            about=values.pop("about"),
            fingerprint=values.pop("fingerprint"),
            older_than_seconds=values.pop("older"),
            newer_than_seconds=values.pop("newer"),
            text=values.pop("text"),
            removals=values.pop("removals"),
        )
        return function(*args, which=which, **values)

    for option in reversed(FILTERS):
        gathered = option(gathered)
    return gathered


def with_statuses(which: LetterFilter, statuses: Sequence[str]) -> LetterFilter:
    """Narrow or widen a filter to statuses; without any it stays as it is."""
    if not statuses:
        return which
    chosen = LetterStatus if EVERY_STATUS in statuses else map(LetterStatus, statuses)
    return replace(which, statuses=frozenset(chosen))


def matching_filter(which: LetterFilter, *, letters: Sequence[str], everything: bool) -> LetterFilter | None:
    """Return the filter of the open letters that a command is to act on; None when they are named one by one."""
    described = everything or which != LetterFilter()
    if bool(letters) == described:
        raise click.UsageError("Give letter ids, or filters, or --all.")
    return replace(which, statuses=OPEN) if described else None


def find_letter(dead_letters: DeadLetterService, asked: str) -> Letter:
    """Find one letter by its number or event; raises Failure with a sentence."""
    letter = dead_letters.find(asked)
    if letter is None:
        raise Failure(
            f"There is no dead letter {printable(asked)}. `cogento letters list` shows which there are."
        )
    return letter


def dry_run(dead_letters: DeadLetterService, which: LetterFilter, *, verb: str, as_json: bool) -> None:
    """Print exactly how many letters of how many customers it would be."""
    found = dead_letters.summary(which)
    groups = dead_letters.groups(which)
    if as_json:
        print_json({"would": verb, "letters": found.letters, "customers": found.customers, "groups": groups})
        return
    if groups:
        print_groups(groups)
        click.echo()
    click.echo(
        f"Dry run: would {verb} {counted(found.letters, 'letter')} of {counted(found.customers, 'customer')}. Add --yes to do it."
    )


def print_groups(groups: Sequence[LetterGroup]) -> None:
    """Print two lines for each cause, no wider than a hundred columns."""
    heads = ("FINGERPRINT", "LETTERS", "CUSTOMERS", "LAST FAILED", "TYPE")
    rows = [
        (
            group.fingerprint,
            f"{group.letters:,}",
            f"{group.customers:,}",
            f"{group.last_died_at:%Y-%m-%d %H:%M}",
            group.event_type,
        )
        for group in groups
    ]
    print_table(heads, rows, below=[_cause(group) for group in groups])


def _cause(group: LetterGroup) -> str:
    codes = [code for code in (group.reason, group.failure_code, group.constraint_name) if code]
    return f"{', '.join(codes)}: {group.message}"
