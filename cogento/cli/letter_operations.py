"""What `cogento letters` does to many letters: run here with a progress bar, and shown, stopped or continued from anywhere.

One named letter is dealt with directly; several letters, or those that filters describe, are an operation, which the console
shows, too.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from cogento.cli.options import row_number, who_option
from cogento.cli.printing import json_option, print_json, print_table
from cogento.cli.progress import StopSignal, percent_bar
from cogento.console.bulk_operations import DISCARDED, NothingMatches
from cogento.console.connections import open_dead_letters
from cogento.console.errors import Failure
from cogento.console.formatting import second
from cogento.console.messages import REDELIVERIES
from cogento.queue.redelivery import TAKEN_ALONG, Redelivery
from cogento.store.letter_records import LetterFilter
from cogento.store.operations import OperationKind, OperationState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cogento.console.dead_letters import DeadLetterService
    from cogento.store.operations import Operation

    Show = Callable[[str, float], object]

NAME = "cogento letters"
DOING = {OperationKind.RETRY: "Requeuing", OperationKind.DISCARD: "Discarding"}
DONE = {OperationKind.RETRY: "Requeued", OperationKind.DISCARD: "Discarded"}
DID = frozenset({*TAKEN_ALONG, DISCARDED})
"""The results after which a letter is as it was asked for."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asked for: an action on letters, named by number or event, or on all that a filter describes."""

    kind: OperationKind
    letters: tuple[str, ...]
    described: LetterFilter | None
    who: str
    why: str
    rate: int | None


@dataclass(slots=True)
class Report:
    """What has been done so far; `asked` letters in all."""

    asked: int = 0
    results: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    operation: int | None = None

    @property
    def done(self) -> list[int]:
        """The letters to which the action was done."""
        return [id_ for id_, result in self.results.items() if result in DID]

    @property
    def is_good(self) -> bool:
        """Whether it was done to all of them."""
        return len(self.done) == self.asked

    def print(self, kind: OperationKind) -> None:
        """Print the report in words."""
        done = len(self.done)
        click.echo(f"{DONE[kind]} {done:,} of {self.asked:,} letters{_pace(done, self.seconds)}.")
        _print_others(Counter(self.results.values()))
        if left := self.asked - len(self.results):
            click.echo(f"  {left:,} not begun: stopped before, and unchanged")
            if self.operation is not None:
                click.echo(f"`cogento letters continue {self.operation}` continues it.")


def carry_out(
    order: Order,
    ids: tuple[int, ...],
    report: Report,
    dead_letters: DeadLetterService,
    *,
    stop: StopSignal,
    show: Show,
) -> None:
    """Do what was asked for, to the letters `ids` if they were named, and update the report meanwhile."""
    begun = time.monotonic()
    if len(ids) == 1:
        report.asked = 1
        report.results |= _one(order, ids[0], dead_letters)
        report.seconds = time.monotonic() - begun
        return
    which = order.described or LetterFilter(ids=ids)
    try:
        operation = dead_letters.operations.begin(
            order.kind, which, who=order.who, why=order.why, rate=order.rate
        )
    except NothingMatches:
        report.asked = len(ids)
        report.results |= dict.fromkeys(ids, Redelivery.NOT_OPEN)
        return
    open_ids = {match.id for match in dead_letters.operations.remaining(operation)} if ids else set()
    report.asked, report.operation = max(len(ids), operation.total), operation.id
    report.results |= {id_: Redelivery.NOT_OPEN for id_ in ids if id_ not in open_ids}
    _run(operation, report, dead_letters, stop=stop, show=show)


def _one(order: Order, id_: int, dead_letters: DeadLetterService) -> Mapping[int, str]:
    if order.kind is OperationKind.RETRY:
        return dead_letters.retry([id_], who=order.who, why=order.why or None)
    done = dead_letters.discard([id_], who=order.who, why=order.why)
    return {id_: DISCARDED if done else Redelivery.NOT_OPEN}


def _run(
    operation: Operation, report: Report, dead_letters: DeadLetterService, *, stop: StopSignal, show: Show
) -> None:
    begun = time.monotonic()
    for results in dead_letters.operations.run(operation, stop):
        report.results |= results
        report.seconds = time.monotonic() - begun
        settled = len(report.results)
        show(f"{DOING[operation.kind]}: {settled:,} of {report.asked:,}", settled / report.asked)


def _pace(letters: int, seconds: float) -> str:
    """Return how long it took and how many a second that is; empty for a time too short to show."""
    shown = f"{seconds:.1f}"
    return "" if shown == "0.0" else f" in {shown} s ({letters / seconds:,.0f} a second)"


def _print_others(counts: Mapping[str, int]) -> None:
    for result, count in counts.items():
        if result not in {Redelivery.PUT_BACK, DISCARDED}:
            click.echo(f"  {count:,} {REDELIVERIES[Redelivery(result)]}")


@click.command()
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most this many."
)
@click.option("--below", type=row_number, metavar="N", help="Only operations below this number, to page on.")
@json_option
def operations(limit: int, below: int | None, *, as_json: bool) -> None:
    """List bulk retries and discards, newest first, whoever began them."""
    with open_dead_letters(name=NAME) as dead_letters:
        listed = dead_letters.operations.page(below=below, limit=limit)
    if as_json:
        print_json([_json(one) for one in listed])
    elif not listed:
        click.echo("There are none.")
    else:
        rows = [
            (
                one.id,
                one.kind,
                f"{one.processed:,} of {one.total:,}",
                one.state,
                second(one.begun_at),
                one.who,
                one.why,
            )
            for one in listed
        ]
        print_table(("OPERATION", "KIND", "LETTERS", "STATE", "BEGUN", "WHO", "WHY"), rows)
        if len(listed) == limit:
            click.echo(f"Older ones: --below {listed[-1].id}.")


def _json(operation: Operation) -> dict[str, object]:
    return {
        "id": operation.id,
        "kind": operation.kind,
        "state": operation.state,
        "total": operation.total,
        "processed": operation.processed,
        "counts": dict(operation.counts),
        "who": operation.who,
        "why": operation.why,
        "rate": operation.rate,
        "error": operation.error,
        "begun_at": operation.begun_at,
        "finished_at": operation.finished_at,
    }


number_argument = click.argument("number", metavar="OPERATION", type=row_number)


@click.command()
@number_argument
@who_option
def stop(number: int, who: str) -> None:
    """Stop a bulk retry or discard after its batch."""
    with open_dead_letters(name=NAME) as dead_letters:
        if not dead_letters.operations.stop(number, who=who):
            raise Failure(f"Operation {number} does not run. `cogento letters operations` lists them.")
    click.echo(f"Operation {number} stops. `cogento letters continue {number}` continues it.")


@click.command("continue")
@number_argument
@who_option
@json_option
def continue_(number: int, who: str, *, as_json: bool) -> None:
    """Continue a bulk retry or discard that was stopped, failed or lost its process. Nothing is done twice."""
    with open_dead_letters(name=NAME) as dead_letters, StopSignal() as stopping, percent_bar() as show:
        operation = dead_letters.operations.take_over(number, who=who)
        report = Report(asked=max(operation.total - operation.processed, 1), operation=number)
        _run(operation, report, dead_letters, stop=stopping, show=show)
        details = dead_letters.operations.read(number)
    ended = details.operation if details else operation
    if as_json:
        print_json(_json(ended))
    else:
        done = len(report.done)
        pace = _pace(done, report.seconds)
        click.echo(
            f"{DONE[ended.kind]} {done:,} letters{pace}; {ended.processed:,} of {ended.total:,} in all."
        )
        _print_others(ended.counts)
    if ended.state is not OperationState.DONE:
        raise Failure(f"It is {ended.state}. `cogento letters continue {number}` continues it.")
