"""`cogento letters retry`: putting letters back into their mailboxes, one or ten thousand."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
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
from cogento.cli.printing import json_option, print_json, print_table
from cogento.cli.progress import ProgressBar
from cogento.cli.redelivering import poll_outcomes, retry_in_batches
from cogento.cli.stopping import StopSignal
from cogento.console.failures import Failure
from cogento.console.opening import open_dead_letters
from cogento.console.words import REDELIVERIES
from cogento.queue.redelivery import TAKEN_ALONG, Redelivery
from cogento.store.letter_records import LetterStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.console.dead_letters import DeadLetterService
    from cogento.store.letter_records import LetterFate, LetterFilter, LetterMatch

LISTED = 20


@dataclass(slots=True)
class Report:
    """What has been done so far, and what came of it where that was waited for."""

    asked: int
    results: dict[int, Redelivery] = field(default_factory=dict)
    seconds: float = 0.0
    fates: Sequence[LetterFate] = ()

    @property
    def on_their_way(self) -> list[int]:
        """The letters that something is to come of."""
        return [id_ for id_, result in self.results.items() if result in TAKEN_ALONG]

    @property
    def is_good(self) -> bool:
        """Whether every letter was put back, and ended well if that was waited for."""
        is_put = len(self.on_their_way) == self.asked
        return is_put and not any(fate.status is LetterStatus.OPEN for fate in self.fates)


@click.command()
@letters_argument
@filters
@all_option
@yes_option
@click.option("--rate", type=click.IntRange(min=1), metavar="N", help="At most so many a second.")
@click.option("--wait", is_flag=True, help="Wait, and say what came of each.")
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
    """Put dead letters back into their mailboxes, each in its place in the order.

    LETTER is a number or the id of an event. Instead of naming letters they can be described by filters:
    then it is said how many there are, and --yes does it. Ctrl-C stops between two batches: what was taken is in
    its mailbox, the rest is as it was, and the same command goes on.

    A retried event is decided like any other: it ends as applied, unchanged, duplicate, stale or superseded, or
    is a dead letter again. It never makes a row older.
    """
    described = matching_filter(which, letters=letters, everything=everything)
    with open_dead_letters(name="cogento letters") as dead_letters:
        if described and not yes:
            dry_run(dead_letters, described, verb="retry", as_json=as_json)
            return
        matches = dead_letters.matching(described) if described else find_letters(dead_letters, letters)
        report = Report(len(matches))
        try:
            with StopSignal() as stopping, ProgressBar() as bar:
                _put_back(
                    dead_letters, matches, report, bar=bar, stopping=stopping, rate=rate, who=who, why=why
                )
                if wait:
                    _await(dead_letters, report, bar=bar, stopping=stopping)
        finally:
            show_report = _print_json if as_json else _print
            show_report(report)
    if not report.is_good:
        raise Failure("Not every letter came through: `cogento letters list` shows those that are open.")


def _put_back(
    dead_letters: DeadLetterService,
    matches: Sequence[LetterMatch],
    report: Report,
    *,
    bar: ProgressBar,
    stopping: StopSignal,
    rate: int | None,
    who: str,
    why: str | None,
) -> None:
    bar.begin("Putting back", steps=len(matches))
    begun = time.monotonic()
    for results in retry_in_batches(
        dead_letters, matches, who=who, why=why, stopping=stopping, per_second=rate
    ):
        report.results |= results
        report.seconds = time.monotonic() - begun
        bar.reach(len(report.results))


def _await(
    dead_letters: DeadLetterService, report: Report, *, bar: ProgressBar, stopping: StopSignal
) -> None:
    ids = report.on_their_way
    bar.begin("Waiting for their ends", steps=len(ids))
    for fates in poll_outcomes(dead_letters, ids, stopping=stopping):
        report.fates = fates
        bar.reach(sum(fate.status is not LetterStatus.RETRYING for fate in fates))


def _print(report: Report) -> None:
    put = len(report.on_their_way)
    pace = f"{put / report.seconds:,.0f} a second" if report.seconds else "at once"
    click.echo(f"Put back {put:,} of {report.asked:,} letters in {report.seconds:.1f} s ({pace}).")
    for result, count in Counter(report.results.values()).items():
        if result is not Redelivery.PUT_BACK:
            click.echo(f"  {count:,} {REDELIVERIES[result]}")
    if left := report.asked - len(report.results):
        click.echo(f"  {left:,} not begun: stopped before; they are as they were")
    if report.fates:
        _print_ends(report.fates)


def _print_ends(fates: Sequence[LetterFate]) -> None:
    click.echo()
    print_table(("LETTERS", "ENDED AS"), [(f"{n:,}", end) for end, n in Counter(map(_end, fates)).items()])
    if len(fates) <= LISTED:
        click.echo()
        print_table(("LETTER", "EVENT", "ENDED AS"), [(fate.id, fate.event_id, _end(fate)) for fate in fates])


def _end(fate: LetterFate) -> str:
    match fate.status:
        case LetterStatus.OPEN:
            return f"dead again ({fate.reason})"
        case LetterStatus.RETRYING:
            return "still waiting"
        case _:
            return str(fate.resolution)


def _print_json(report: Report) -> None:
    ends = {fate.id: _end(fate) for fate in report.fates}
    print_json(
        {
            "asked": report.asked,
            "retry_in_batches": len(report.on_their_way),
            "seconds": round(report.seconds, 3),
            "letters": [
                {"id": id_, "result": result, "ended_as": ends.get(id_)}
                for id_, result in report.results.items()
            ],
        }
    )
