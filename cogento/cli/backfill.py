"""`cogento backfill`: everything that Stripe lists, written into the tables."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cogento.cli.printing import json_option, print_json, print_table
from cogento.cli.progress import percent_bar
from cogento.console.opening import open_reconciliation
from cogento.events.event import ObjectKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogento.reconcile.backfill import Backfilled

COLUMNS = {
    "WRITTEN": ("applied",),
    "ALREADY SO": ("unchanged", "duplicate"),
    "KNOWN LATER": ("stale", "superseded"),
    "BY MAIL": ("mailed",),
}
"""What became of objects: the rows come from them, showed the same, showed something later, or will be by a worker."""


@click.command()
@click.option("--restart", is_flag=True, help="Begin again, where an earlier backfill was not finished.")
@json_option
def backfill(*, restart: bool, as_json: bool) -> None:
    """Fill the tables with all that Stripe lists.

    All customers and subscriptions, canceled ones too. Deleted customers are not listed: only those that had
    subscriptions get a row. Webhooks may arrive meanwhile: nothing newer is overwritten. Needs
    STRIPE_API_KEY. Ctrl-C is safe: the next backfill goes on from there.
    """
    with open_reconciliation(name="cogento backfill") as reconciliation, _shown() as report:
        done = reconciliation.backfill(anew=restart, report=report)
    if as_json:
        print_json(_plain(done) if done else None)
    elif done is None:
        click.echo("Another backfill is under way.")
    else:
        print_table(("", "OBJECTS", *COLUMNS), [_row(done, kind) for kind in ObjectKind])


def _row(done: Backfilled, kind: ObjectKind) -> tuple[str, ...]:
    numbers = (sum(done.counts.get((kind, one), 0) for one in outcomes) for outcomes in COLUMNS.values())
    return (f"{kind}s", *(f"{number:,}" for number in (done.objects(kind), *numbers)))


def _plain(done: Backfilled) -> dict[str, object]:
    return {
        "begun": done.begun,
        **{
            f"{kind}s": {outcome: number for (one, outcome), number in done.counts.items() if one == kind}
            for kind in ObjectKind
        },
    }


@contextmanager
def _shown() -> Iterator[Callable[[Backfilled], object]]:
    """Tell how many objects were written and how fast."""
    with percent_bar() as tell:
        speed = _Speed()
        yield lambda done: tell(_told(done, speed), done.share)


class _Speed:
    """Objects a second since the first report."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def after(self, objects: int) -> float:
        """Tell how fast it has been when so many are done."""
        at, before = self._first = self._first or (time.monotonic(), objects)
        return (objects - before) / max(time.monotonic() - at, 1.0)


def _told(done: Backfilled, speed: _Speed) -> str:
    customers, subscriptions = (done.objects(kind) for kind in ObjectKind)
    rate = speed.after(customers + subscriptions)
    return f"{customers:,} customers, {subscriptions:,} subscriptions, {rate:,.0f} a second"
