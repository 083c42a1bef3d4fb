"""`cogento letters show`: one letter's whole record, why it died, and what to do."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import click

from cogento.cli.letters.choosing import find_letter
from cogento.cli.printing import json_option, print_facts, print_json, print_table
from cogento.console.opening import open_dead_letters
from cogento.console.printable import printable

if TYPE_CHECKING:
    import datetime as dt

    from cogento.console.dead_letters import LetterDetails
    from cogento.store.letter_records import Letter

LONGEST_LINE = 10_000


@click.command()
@click.argument("asked", metavar="LETTER")
@click.option("--body", "with_body", is_flag=True, help="The event's bytes too; they hold personal data.")
@json_option
def show(asked: str, *, with_body: bool, as_json: bool) -> None:
    """Show a dead letter: why it died, what to do, what was done.

    LETTER is its number, or the id of its event (evt_…).
    """
    with open_dead_letters(name="cogento letters") as dead_letters:
        opened = dead_letters.open(find_letter(dead_letters, asked))
        body = dead_letters.body(opened.letter.id) if with_body else None
    if as_json:
        print_json(_plain(opened) | ({"body_base64": _base64(body)} if with_body else {}))
        return
    _print(opened)
    if with_body:
        _print_body(body)


def _plain(opened: LetterDetails) -> dict[str, object]:
    return {
        "letter": opened.letter,
        "standing": opened.standing,
        "advice": opened.advice,
        "actions": opened.actions,
    }


def _base64(body: bytes | None) -> str | None:
    return None if body is None else base64.b64encode(body).decode()


def _print(opened: LetterDetails) -> None:
    letter = opened.letter
    click.secho(f"Letter {letter.id}: {printable(letter.event_id)}", bold=True)
    for sentence in (letter.message, opened.standing, *opened.what_to_do):
        click.echo(f"  {printable(sentence, longest=LONGEST_LINE)}")
    click.echo()
    print_facts(_facts(letter))
    if opened.actions:
        click.echo()
        rows = [(_second(done.happened_at), done.action, done.who, done.why or "") for done in opened.actions]
        print_table(("WHEN", "ACTION", "WHO", "WHY"), rows)


def _facts(letter: Letter) -> list[tuple[str, object]]:
    return [
        ("customer", letter.customer_id),
        ("object", letter.object_id or "unknown"),
        ("type", letter.event_type or "unknown"),
        ("removal", "yes" if letter.removal else "no"),
        ("livemode", "unknown" if letter.livemode is None else str(letter.livemode).lower()),
        ("API version", letter.api_version or "unknown"),
        ("source", letter.source),
        ("happened", _second(letter.event_created_at)),
        ("received", _second(letter.received_at)),
        ("first tried", _second(letter.first_attempt_at)),
        ("died", _second(letter.died_at)),
        ("failed tries", letter.attempts),
        ("never ended", letter.starts),
        ("reason", letter.reason),
        ("class", letter.failure_class),
        ("code", letter.failure_code or "none"),
        ("constraint", letter.constraint_name or "none"),
        ("fingerprint", letter.fingerprint),
        ("body SHA-256", letter.raw_sha256),
        ("worker", letter.worker_version or "unknown"),
        ("status", letter.status),
        ("retries", letter.replays),
    ]


def _print_body(body: bytes | None) -> None:
    click.echo()
    if body is None:
        click.echo("The body was erased, as it is a month after a letter is closed.")
        return
    for line in body.decode("utf-8", "backslashreplace").splitlines():
        click.echo(printable(line, longest=LONGEST_LINE))


def _second(when: dt.datetime | None) -> str:
    return "never" if when is None else f"{when:%Y-%m-%d %H:%M:%S} UTC"
