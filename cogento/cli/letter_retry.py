"""`cogento letters retry`: letters put back into the queue, one or ten thousand, in batches that each are whole.

A batch is taken and put as one: what is interrupted between batches is nothing but fewer letters put back.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from cogento.cli.letter_selection import (
    all_option,
    dry_run,
    filters,
    find_letters,
    letters_argument,
    matching_filter,
    yes_option,
)
from cogento.cli.options import who_option
from cogento.cli.printing import json_option, print_json, print_table
from cogento.cli.progress import StopSignal, percent_bar
from cogento.console.connections import open_dead_letters
from cogento.console.errors import Failure
from cogento.console.messages import REDELIVERIES
from cogento.queue.redelivery import TAKEN_ALONG, Redelivery
from cogento.store.letter_records import LetterStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from cogento.console.dead_letters import DeadLetterService
    from cogento.store.letter_records import LetterFilter, LetterMatch, LetterOutcome

BATCH_LETTERS = 200
BATCH_BYTES = 4 * 1024**2
POLL_SECONDS = 0.25
MAX_WAIT_SECONDS = 30.0
"""How long none of the letters waited for may come to an end before nobody waits any more."""
LISTED = 20


@dataclass(slots=True)
class Report:
    """What has been done so far, and what came of it where that was waited for."""

    asked: int
    results: dict[int, Redelivery] = field(default_factory=dict)
    seconds: float = 0.0
    outcomes: Sequence[LetterOutcome] = ()

    @property
    def on_their_way(self) -> list[int]:
        """The letters that something is to come of."""
        return [id_ for id_, result in self.results.items() if result in TAKEN_ALONG]

    @property
    def is_good(self) -> bool:
        """Whether every letter was put back, and ended well if that was waited for."""
        is_put = len(self.on_their_way) == self.asked
        return is_put and not any(outcome.status is LetterStatus.OPEN for outcome in self.outcomes)


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
            with StopSignal() as stop, percent_bar() as show:
                begun = time.monotonic()
                for results in retry_in_batches(
                    dead_letters, matches, who=who, why=why, stop=stop, per_second=rate
                ):
                    report.results |= results
                    report.seconds = time.monotonic() - begun
                    put = len(report.results)
                    show(f"Putting back: {put:,} of {report.asked:,}", put / report.asked)
                if wait:
                    for outcomes in poll_outcomes(dead_letters, report.on_their_way, stop=stop):
                        report.outcomes = outcomes
                        ended = sum(outcome.status is not LetterStatus.RETRYING for outcome in outcomes)
                        show(f"Ended: {ended:,} of {len(outcomes):,}", ended / max(len(outcomes), 1))
        finally:
            _print_json(report) if as_json else _print(report)
    if not report.is_good:
        raise Failure("Not every letter came through: `cogento letters list` shows those that are open.")


def _print(report: Report) -> None:
    put = len(report.on_their_way)
    pace = f"{put / report.seconds:,.0f} a second" if report.seconds else "at once"
    click.echo(f"Put back {put:,} of {report.asked:,} letters in {report.seconds:.1f} s ({pace}).")
    for result, count in Counter(report.results.values()).items():
        if result is not Redelivery.PUT_BACK:
            click.echo(f"  {count:,} {REDELIVERIES[result]}")
    if left := report.asked - len(report.results):
        click.echo(f"  {left:,} not begun: stopped before; they are as they were")
    if report.outcomes:
        ends = Counter(map(_end, report.outcomes))
        click.echo()
        print_table(("LETTERS", "ENDED AS"), [(f"{count:,}", end) for end, count in ends.items()])
    if 0 < len(report.outcomes) <= LISTED:
        click.echo()
        rows = [(outcome.id, outcome.event_id, _end(outcome)) for outcome in report.outcomes]
        print_table(("LETTER", "EVENT", "ENDED AS"), rows)


def _end(outcome: LetterOutcome) -> str:
    match outcome.status:
        case LetterStatus.OPEN:
            return f"dead again ({outcome.reason})"
        case LetterStatus.RETRYING:
            return "still waiting"
        case _:
            return str(outcome.resolution)


def _print_json(report: Report) -> None:
    ends = {outcome.id: _end(outcome) for outcome in report.outcomes}
    print_json(
        {
            "asked": report.asked,
            "put_back": len(report.on_their_way),
            "seconds": round(report.seconds, 3),
            "letters": [
                {"id": id_, "result": result, "ended_as": ends.get(id_)}
                for id_, result in report.results.items()
            ],
        }
    )


def batches(
    matches: Sequence[LetterMatch], *, letters: int = BATCH_LETTERS, body_bytes: int = BATCH_BYTES
) -> Iterator[list[int]]:
    """Divide letters, in their order, so that no batch is large in number or in bytes."""
    batch: list[int] = []
    left = body_bytes
    for match in matches:
        if batch and (len(batch) >= letters or match.body_bytes > left):
            yield batch
            batch, left = [], body_bytes
        batch.append(match.id)
        left -= match.body_bytes
    if batch:
        yield batch


def retry_in_batches(
    dead_letters: DeadLetterService,
    matches: Sequence[LetterMatch],
    *,
    who: str,
    why: str | None,
    stop: StopSignal,
    per_second: int | None = None,
) -> Iterator[dict[int, Redelivery]]:
    """Put letters back batch by batch, at most so many a second, and give each batch's results."""
    size = min(max(per_second // 10, 1), BATCH_LETTERS) if per_second else BATCH_LETTERS
    for batch in batches(matches, letters=size):
        if stop.is_requested:
            return
        begun = time.monotonic()
        yield dead_letters.retry(batch, who=who, why=why)
        if per_second:
            stop.wait(begun + len(batch) / per_second - time.monotonic())


def poll_outcomes(
    dead_letters: DeadLetterService, letter_ids: Collection[int], *, stop: StopSignal
) -> Iterator[list[LetterOutcome]]:
    """Look again and again what has become of letters, until none is on its way.

    Ends too when asked to stop, and when none has come to an end for MAX_WAIT_SECONDS: a subscription that is
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
