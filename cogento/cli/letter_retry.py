"""`cogento letters retry` and `cogento letters discard`: one letter, or ten thousand."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import click

from cogento.cli.letter_operations import NAME, Order, Report, carry_out
from cogento.cli.letter_selection import (
    all_option,
    dry_run,
    filters,
    find_letter,
    letters_argument,
    matching_filter,
    yes_option,
)
from cogento.cli.options import who_option
from cogento.cli.printing import json_option, print_json, print_table
from cogento.cli.progress import StopSignal, percent_bar
from cogento.console.connections import open_dead_letters
from cogento.console.errors import Failure
from cogento.store.letter_records import LetterStatus
from cogento.store.operations import OperationKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from cogento.console.dead_letters import DeadLetterService
    from cogento.store.letter_records import LetterFilter, LetterOutcome

POLL_SECONDS = 0.25
MAX_WAIT_SECONDS = 30.0
"""How long --wait waits while no letter comes to an end."""
LISTED = 20
NOT_ALL = {
    OperationKind.RETRY: "Some letters were not retried: `cogento letters list` shows those that are open, and `cogento letters show` "
    "what to do about one.",
    OperationKind.DISCARD: "The others are not open: `cogento letters show` says how they stand.",
}

rate_option = click.option(
    "--rate", type=click.IntRange(1, 1_000_000), metavar="N", help="Retry at most N letters a second."
)


@click.command()
@letters_argument
@filters
@all_option
@yes_option
@rate_option
@click.option("--wait", is_flag=True, help="Wait, and print what became of each.")
@click.option("--why", metavar="TEXT", help="Why they can succeed now; it is kept.")
@who_option
@json_option
def retry(
    letters: tuple[str, ...],
    which: LetterFilter,
    *,
    everything: bool,
    yes: bool,
    rate: int | None,
    wait: bool,
    why: str | None,
    who: str,
    as_json: bool,
) -> None:
    """Retry dead letters; order is kept.

    LETTER is a number or the id of an event. Filters choose letters instead: without --yes this only reports how
    many match. Ctrl-C stops between two batches: letters that were requeued stay so, the rest are as they were, and `cogento
    letters continue` continues.

    A retried event is processed like any other: it ends as applied, unchanged, duplicate, stale or superseded, or
    is a dead letter again. It never makes a row older.
    """
    described = matching_filter(which, letters=letters, everything=everything)
    order = Order(OperationKind.RETRY, letters, described, who=who, why=(why or "").strip(), rate=rate)
    _do(order, yes=yes, wait=wait, as_json=as_json)


@click.command()
@letters_argument
@filters
@all_option
@yes_option
@rate_option
@click.option("--why", required=True, metavar="TEXT", help="Why they need not be applied; it is kept.")
@who_option
@json_option
def discard(
    letters: tuple[str, ...],
    which: LetterFilter,
    *,
    everything: bool,
    yes: bool,
    rate: int | None,
    why: str,
    who: str,
    as_json: bool,
) -> None:
    """Close open letters without applying them.

    LETTER is a number or the id of an event. Filters choose letters instead: without --yes this only reports how
    many match. The record is kept; the payload is deleted after a month. Until then `cogento letters reopen`
    takes the discard back.
    """
    if not why.strip():
        raise click.UsageError("--why must not be empty.")
    described = matching_filter(which, letters=letters, everything=everything)
    order = Order(OperationKind.DISCARD, letters, described, who=who, why=why.strip(), rate=rate)
    _do(order, yes=yes, wait=False, as_json=as_json)


@click.command()
@click.argument("letters", nargs=-1, required=True, metavar="LETTER...")
@click.option("--why", required=True, metavar="TEXT", help="Why they are wanted after all; it is kept.")
@who_option
@json_option
def reopen(letters: tuple[str, ...], *, why: str, who: str, as_json: bool) -> None:
    """Take back a discard, so that the letters can be retried.

    LETTER is a number or the id of an event. A letter whose bytes were erased stays closed, as does one whose event
    has another open letter.
    """
    if not why.strip():
        raise click.UsageError("--why must not be empty.")
    with open_dead_letters(name=NAME) as dead_letters:
        ids = dict.fromkeys(find_letter(dead_letters, asked).id for asked in letters)
        done = dead_letters.reopen(list(ids), who=who, why=why.strip())
    if as_json:
        print_json({"asked": len(ids), "reopened": done})
    else:
        click.echo(f"Reopened {done:,} of {len(ids):,} letters.")
    if done < len(ids):
        raise Failure(
            "The others are not discarded, have lost their bytes, or their event has another open letter."
        )


def _do(order: Order, *, yes: bool, wait: bool, as_json: bool) -> None:
    """Do what was asked for and print the report, also where it ends early; without --yes many letters are only counted."""
    with open_dead_letters(name=NAME) as dead_letters:
        if order.described and not yes:
            dry_run(dead_letters, order.described, verb=order.kind, as_json=as_json)
            return
        ids = tuple(dict.fromkeys(find_letter(dead_letters, asked).id for asked in order.letters))
        report = Report(asked=len(ids))
        outcomes: list[LetterOutcome] = []
        try:
            with StopSignal() as stop, percent_bar() as show:
                carry_out(order, ids, report, dead_letters, stop=stop, show=show)
                if wait:
                    for outcomes in poll_outcomes(dead_letters, report.done, stop=stop):
                        ended = sum(outcome.status is not LetterStatus.RETRYING for outcome in outcomes)
                        show(f"Ended: {ended:,} of {len(outcomes):,}", ended / max(len(outcomes), 1))
        finally:
            if as_json:
                print_json(_json(order.kind, report, outcomes))
            else:
                _print(order.kind, report, outcomes)
    if not report.is_good or any(outcome.status is LetterStatus.OPEN for outcome in outcomes):
        raise Failure(NOT_ALL[order.kind])


def _print(kind: OperationKind, report: Report, outcomes: Sequence[LetterOutcome]) -> None:
    report.print(kind)
    if outcomes:
        ends = Counter(map(_end, outcomes))
        click.echo()
        print_table(("LETTERS", "ENDED AS"), [(f"{count:,}", end) for end, count in ends.items()])
    if 0 < len(outcomes) <= LISTED:
        click.echo()
        rows = [(outcome.id, outcome.event_id, _end(outcome)) for outcome in outcomes]
        print_table(("LETTER", "EVENT", "ENDED AS"), rows)


def _end(outcome: LetterOutcome) -> str:
    match outcome.status:
        case LetterStatus.OPEN:
            return f"failed again ({outcome.reason})"
        case LetterStatus.RETRYING:
            return "still waiting"
        case _:
            return str(outcome.resolution)


def _json(kind: OperationKind, report: Report, outcomes: Sequence[LetterOutcome]) -> dict[str, object]:
    done: dict[str, object] = {"asked": report.asked, "operation": report.operation}
    if kind is OperationKind.DISCARD:
        return done | {"discarded": len(report.done)}
    ends = {outcome.id: _end(outcome) for outcome in outcomes}
    return done | {
        "put_back": len(report.done),
        "seconds": round(report.seconds, 3),
        "letters": [
            {"id": id_, "result": result, "ended_as": ends.get(id_)} for id_, result in report.results.items()
        ],
    }


def poll_outcomes(
    dead_letters: DeadLetterService, letter_ids: Collection[int], *, stop: StopSignal
) -> Iterator[list[LetterOutcome]]:
    """Poll what has become of letters, until none is on its way.

    Also ends when asked to stop, and when no letter has come to an end for MAX_WAIT_SECONDS: a subscription's event that is
    parked may be on its way for days.
    """
    ended, moved = -1, time.monotonic()
    while True:
        outcomes = dead_letters.outcomes(letter_ids)
        yield outcomes
        now_ended = sum(outcome.status is not LetterStatus.RETRYING for outcome in outcomes)
        if now_ended > ended:
            ended, moved = now_ended, time.monotonic()
        if ended == len(outcomes) or stop.is_requested or time.monotonic() - moved > MAX_WAIT_SECONDS:
            return
        stop.wait(POLL_SECONDS)
