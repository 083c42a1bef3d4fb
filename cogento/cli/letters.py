"""`cogento letters`: the dead letters, for the people who deal with them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import click

from cogento.cli.letter_export import export
from cogento.cli.letter_operations import NAME, continue_, operations, stop
from cogento.cli.letter_retry import discard, reopen, retry
from cogento.cli.letter_selection import (
    filters,
    find_letter,
    print_groups,
    status_option,
    with_statuses,
)
from cogento.cli.options import row_number, who_option
from cogento.cli.printing import json_option, print_facts, print_json, print_table
from cogento.console.connections import open_dead_letters
from cogento.console.formatting import printable, second

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from cogento.store.letter_records import Letter, LetterFilter

MAX_LINE_LENGTH = 10_000


@click.group()
def letters() -> None:
    """List, explain, retry, discard, reopen and export dead letters."""


for _command in (retry, discard, reopen, export, operations, stop, continue_):
    letters.add_command(_command)


@letters.command("list")
@filters
@status_option
@click.option("--each", is_flag=True, help="Also list the letters one by one where there are several causes.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most this many."
)
@click.option(
    "--below", type=row_number, metavar="NUMBER", help="Only letters below this number, to page on."
)
@json_option
def list_(
    which: LetterFilter,
    *,
    statuses: tuple[str, ...],
    each: bool,
    limit: int,
    below: int | None,
    as_json: bool,
) -> None:
    """List dead letters, grouped by cause.

    Of a single cause the letters themselves are listed too; --fingerprint narrows it to one.
    """
    wanted = with_statuses(which, statuses)
    with open_dead_letters(name=NAME) as dead_letters:
        groups = dead_letters.groups(wanted, limit=limit + 1)
        found = dead_letters.page(wanted, below=below, limit=limit + 1)
    listed, more_groups, more_letters = found[:limit], len(groups) > limit, len(found) > limit
    groups = groups[:limit]
    if as_json:
        print_json(
            {
                "groups": groups,
                "letters": listed,
                "more_groups": more_groups,
                "more_letters": more_letters,
            }
        )
        return
    if not groups:
        click.echo("There are none.")
        return
    print_groups(groups)
    if more_groups:
        click.echo(f"There are more causes than these {limit}: --limit shows more.")
    if each or len(groups) == 1:
        click.echo()
        _print_letters(listed)
    if more_letters and (each or len(groups) == 1):
        click.echo(f"There are more letters: --below {listed[-1].id} shows those that follow.")


def _print_letters(listed: Sequence[Letter]) -> None:
    rows = [
        (
            letter.id,
            letter.event_id,
            letter.customer_id,
            f"{letter.died_at:%Y-%m-%d %H:%M}",
            letter.status,
            letter.replays,
        )
        for letter in listed
    ]
    print_table(("LETTER", "EVENT", "CUSTOMER", "FAILED", "STATUS", "RETRIES"), rows)


@letters.command()
@click.argument("asked", metavar="LETTER")
@click.option(
    "--body",
    "with_body",
    is_flag=True,
    help="Also print the event's bytes: they hold personal data, and it is recorded who saw them.",
)
@click.option("--why", default="", metavar="TEXT", help="Why the bytes are wanted; it is kept.")
@who_option
@json_option
def show(asked: str, *, with_body: bool, why: str, who: str, as_json: bool) -> None:
    """Show a dead letter: why it failed, what to do, what was done.

    LETTER is its number, or the id of its event (evt_…).
    """
    with open_dead_letters(name=NAME) as dead_letters:
        details = dead_letters.open(find_letter(dead_letters, asked))
        body = dead_letters.reveal(details.letter, who=who, why=why) if with_body else None
    letter = details.letter
    if as_json:
        encoded = None if body is None else base64.b64encode(body).decode()
        print_json(
            {
                "letter": letter,
                "standing": details.standing,
                "advice": details.advice,
                "actions": details.actions,
                **({"body_base64": encoded} if with_body else {}),
            }
        )
        return

    click.secho(f"Letter {letter.id}: {printable(letter.event_id)}", bold=True)
    for sentence in (letter.message, details.standing, *details.what_to_do):
        click.echo(f"  {printable(sentence, longest=MAX_LINE_LENGTH)}")
    click.echo()
    print_facts(_facts(letter))
    if details.actions:
        click.echo()
        rows = [
            (_second(done.happened_at), done.action, done.who, done.why or "") for done in details.actions
        ]
        print_table(("WHEN", "ACTION", "WHO", "WHY"), rows)
    if with_body:
        click.echo()
        erased = "The body was erased, as it is a month after a letter is closed, or with its customer."
        for line in (erased,) if body is None else body.decode("utf-8", "backslashreplace").splitlines():
            click.echo(printable(line, longest=MAX_LINE_LENGTH))


def _facts(letter: Letter) -> list[tuple[str, object]]:
    return [
        ("customer", letter.customer_id),
        ("object", letter.object_id or "unknown"),
        ("type", letter.event_type or "unknown"),
        ("cancellation or deletion", "yes" if letter.removal else "no"),
        ("livemode", "unknown" if letter.livemode is None else str(letter.livemode).lower()),
        ("API version", letter.api_version or "unknown"),
        ("source", letter.source),
        ("created in Stripe", _second(letter.event_created_at)),
        ("received", _second(letter.received_at)),
        ("first attempt", _second(letter.first_attempt_at)),
        ("failed", _second(letter.died_at)),
        ("failed attempts", letter.attempts),
        ("interrupted by a crash", letter.starts),
        ("reason", letter.reason),
        ("class", letter.failure_class),
        ("code", letter.failure_code or "none"),
        ("constraint", letter.constraint_name or "none"),
        ("fingerprint", letter.fingerprint),
        ("payload SHA-256", letter.raw_sha256),
        ("worker", letter.worker_version or "unknown"),
        ("status", letter.status),
        ("retries", letter.replays),
    ]


def _second(when: dt.datetime | None) -> str:
    return "never" if when is None else f"{second(when)} UTC"
