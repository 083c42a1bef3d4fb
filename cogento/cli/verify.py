"""`cogento verify`: do the tables show what Stripe says?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from cogento.cli.printing import json_option, print_facts, print_json, print_table
from cogento.cli.progress import percent_bar
from cogento.console.failures import Failure
from cogento.console.opening import open_reconciliation
from cogento.settings import EX_CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cogento.reconcile.verify import Drift, Verified

EQUAL, COULD_NOT_TELL, DRIFT = 0, 2, 3
LONGEST_VALUE = 40


@click.command()
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Compare N rows at random only.")
@click.option("--repair", is_flag=True, help="Write what Stripe says where a row differs.")
@json_option
@click.pass_context
def verify(ctx: click.Context, *, sample: int | None, repair: bool, as_json: bool) -> None:
    """Compare the tables with Stripe, and repair them.

    What differs while its event waits or is on its way is no drift: it is looked at again after a moment.
    Ends with 0 when all is equal or was repaired, with 3 when something differs, with 2 when that cannot be
    told. Needs STRIPE_API_KEY.
    """
    found = _verify(sample=sample, repair=repair)
    if as_json:
        print_json(found)
    else:
        _print(found)
    ctx.exit(DRIFT if found.drift else COULD_NOT_TELL if found.undecided else EQUAL)


def _verify(*, sample: int | None, repair: bool) -> Verified:
    try:
        with open_reconciliation(name="cogento verify") as reconciliation, percent_bar() as tell:
            return reconciliation.verify(
                sample=sample,
                repair=repair,
                report=lambda compared, share: tell(f"{compared:,} compared", share),
            )
    except Failure as failure:
        if failure.exit_code == EX_CONFIG:
            raise
        raise Failure(failure.message, exit_code=COULD_NOT_TELL) from failure


def _print(found: Verified) -> None:
    print_facts(
        [
            ("compared", f"{found.compared:,} rows"),
            ("differ", f"{len({one.object_id for one in found.drift}):,} rows"),
            ("repaired", f"{len({one.object_id for one in found.repaired}):,} rows"),
            ("undecided", f"{len(found.undecided):,} rows: mail waits, or Stripe does not know them"),
        ]
    )
    _print_columns("Differ", found.drift)
    _print_columns("Repaired", found.repaired)


def _print_columns(head: str, drift: Iterable[Drift]) -> None:
    """Print each column once, how many rows differ in it, and the first of them."""
    examples = {(one.table, one.column): one for one in reversed(tuple(drift))}
    if not examples:
        return
    counts = Counter((one.table, one.column) for one in drift)
    click.echo()
    click.secho(head, bold=True)
    print_table(
        ("TABLE", "COLUMN", "ROWS", "FOR EXAMPLE", "STRIPE SAYS", "THE ROW SHOWED"),
        [
            (*place, f"{counts[place]:,}", one.object_id, _short(one.expected), _short(one.found))
            for place, one in sorted(examples.items())
        ],
    )


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
