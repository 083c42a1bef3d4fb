"""`cogento backfill`, `cogento verify` and `cogento sweep`: the tables filled from Stripe, compared with it, and completed."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cogento import runtime
from cogento.cli.options import read_customer_id, reason_option, who_option
from cogento.cli.printing import json_option, print_facts, print_json, print_table, print_title
from cogento.cli.progress import percent_bar
from cogento.console.connections import open_reconciliation
from cogento.console.errors import Failure
from cogento.console.formatting import counted, printable, second
from cogento.console.messages import COMPARISONS
from cogento.events.kinds import KINDS
from cogento.events.outcomes import Outcome
from cogento.reconcile.verify import Verified
from cogento.reconcile.verify_customer import UNDECIDED, ComparisonState, CustomerComparison
from cogento.settings import EX_CONFIG
from cogento.store.activity import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cogento.reconcile.backfill import Backfilled
    from cogento.reconcile.reconciliation import Reconciliation
    from cogento.reconcile.verify import Drift

OUTCOME_COLUMNS = {
    "WRITTEN": (Outcome.APPLIED,),
    "UP TO DATE": (Outcome.UNCHANGED, Outcome.DUPLICATE),
    "NEWER HERE": (Outcome.STALE, Outcome.SUPERSEDED),
    "QUEUED": (Outcome.ENQUEUED,),
}
"""What became of objects: rows were written from them, showed the same, or showed something later; or a worker will apply them."""

EQUAL, DRIFT, COULD_NOT_TELL = 0, 3, 4
"""Exit codes of `cogento verify`; 2 is what click gives a command line that it does not understand."""

MAX_VALUE_LENGTH = 40
SPELLED = {None: "NULL", True: "true", False: "false"}


@click.command()
@click.option("--restart", is_flag=True, help="Begin again, where an earlier backfill was not finished.")
@reason_option
@who_option
@json_option
def backfill(*, restart: bool, why: str, who: str, as_json: bool) -> None:
    """Fill the tables with all that Stripe lists.

    All customers, and all objects of theirs that have a table: subscriptions, canceled ones too. Stripe does not list deleted
    customers: one gets a row if an object of its own is listed. Webhooks may arrive meanwhile: nothing newer is overwritten.
    Needs STRIPE_API_KEY. Ctrl-C is safe: the next backfill continues from there.
    """
    with open_reconciliation(name="cogento backfill") as reconciliation, _backfill_bar() as report:
        done = runtime.run(reconciliation.backfill(restart=restart, report=report))
        if done is not None:
            objects = {kind.plural: done.objects(kind) for kind in KINDS}
            runtime.run(reconciliation.record(Action.BACKFILL, who=who, why=why, details=objects))
    if as_json:
        print_json(
            done
            and {
                "begun": done.begun,
                **{
                    kind.plural: {outcome: n for (one, outcome), n in done.counts.items() if one == kind.name}
                    for kind in KINDS
                },
            }
        )
    elif done is None:
        click.echo("Another backfill is under way.")
    else:
        rows = []
        for kind in KINDS:
            numbers = [
                sum(done.counts.get((kind.name, one), 0) for one in outcomes)
                for outcomes in OUTCOME_COLUMNS.values()
            ]
            rows.append((kind.plural, *(f"{number:,}" for number in (done.objects(kind), *numbers))))
        print_table(("", "OBJECTS", *OUTCOME_COLUMNS), rows)


@contextmanager
def _backfill_bar() -> Iterator[Callable[[Backfilled], object]]:
    """Show how many objects were written, and how fast since the first report."""
    first: tuple[float, int] | None = None

    def report(done: Backfilled) -> None:
        nonlocal first
        objects = {kind: done.objects(kind) for kind in KINDS}
        written = sum(objects.values())
        begun, before = first = first or (time.monotonic(), written)
        rate = (written - before) / max(time.monotonic() - begun, 1.0)
        numbers = ", ".join(f"{number:,} {kind.plural}" for kind, number in objects.items())
        show(f"{numbers}, {rate:,.0f} a second", done.share)

    with percent_bar() as show:
        yield report


@click.command()
@click.argument("customer", required=False)
@click.option(
    "--sample", type=click.IntRange(1, 1_000_000), metavar="N", help="Compare N rows at random only."
)
@click.option("--repair", is_flag=True, help="Write what Stripe says where a row differs.")
@reason_option
@who_option
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    customer: str | None,
    *,
    sample: int | None,
    repair: bool,
    why: str,
    who: str,
    as_json: bool,
) -> None:
    """Compare the tables with Stripe, and repair them.

    With CUSTOMER (cus_…) only that customer's rows, field by field: it takes a request for the customer, one for each list of
    its objects, and one for each row that is in no list.

    A row may differ while its event waits or is on its way: it is compared again after a moment before it counts.
    Ends with 0 when all is equal or was repaired, with 3 when something differs, with 4 when that cannot be decided. Needs
    STRIPE_API_KEY.
    """
    if customer is not None and sample is not None:
        raise click.UsageError("Name one customer, or say --sample.")
    whose = None if customer is None else read_customer_id(customer)
    try:
        with open_reconciliation(name="cogento verify") as reconciliation:
            if whose is None:
                found = _verify_all(reconciliation, sample=sample, repair=repair)
            else:
                compared = runtime.run(reconciliation.verify_customer(whose, repair=repair))
            details = _summary(found if whose is None else compared)
            action = Action.REPAIR if repair else Action.VERIFY
            runtime.run(reconciliation.record(action, who=who, why=why, about=whose, details=details))
    except Failure as failure:
        if failure.exit_code == EX_CONFIG:
            raise
        raise Failure(failure.message, exit_code=COULD_NOT_TELL) from failure
    if whose is not None:
        _print_customer(compared, as_json=as_json)
        differs, undecided = compared.count(ComparisonState.DIFFERS), compared.count(*UNDECIDED)
        is_known = bool(compared.objects) and compared.complete
        ctx.exit(DRIFT if differs else COULD_NOT_TELL if undecided or not is_known else EQUAL)
    if as_json:
        print_json(found)
    else:
        print_facts(
            [
                ("compared", counted(found.compared, "row")),
                ("differ", counted(len({one.object_id for one in found.drift}), "row")),
                ("repaired", counted(len({one.object_id for one in found.repaired}), "row")),
                (
                    "undecided",
                    f"{counted(len(found.undecided), 'row')}: events are waiting, or Stripe returned 404",
                ),
            ]
        )
        _print_columns("Differ", found.drift)
        _print_columns("Repaired", found.repaired)
    ctx.exit(DRIFT if found.drift else COULD_NOT_TELL if found.undecided else EQUAL)


def _verify_all(reconciliation: Reconciliation, *, sample: int | None, repair: bool) -> Verified:
    with percent_bar() as show:
        return runtime.run(
            reconciliation.verify(
                sample=sample,
                repair=repair,
                report=lambda compared, share: show(f"{compared:,} compared", share),
            )
        )


def _summary(found: Verified | CustomerComparison) -> dict[str, object]:
    """Return the result of a comparison, to be recorded."""
    if isinstance(found, Verified):
        return {
            "compared": found.compared,
            "differ": len({one.object_id for one in found.drift}),
            "repaired": len({one.object_id for one in found.repaired}),
            "undecided": len(found.undecided),
        }
    return {
        "compared": len(found.objects),
        "differ": found.count(ComparisonState.DIFFERS),
        "repaired": found.count(ComparisonState.REPAIRED),
        "undecided": found.count(*UNDECIDED),
    }


def _print_customer(found: CustomerComparison, *, as_json: bool) -> None:
    """Print each object and its state, and both values of each field that differs."""
    if as_json:
        print_json(found)
        return
    if not found.objects:
        click.echo(f"Stripe does not know {printable(found.customer_id)}, and no row is about it.")
        return
    rows = [(one.table, one.object_id, COMPARISONS[one.state], f"{len(one.fields)}") for one in found.objects]
    print_table(("TABLE", "OBJECT", "RESULT", "FIELDS COMPARED"), rows)
    if not found.complete:
        click.echo("It has more objects than are compared at once: `cogento verify` compares all of them.")
    fields = [
        (one.object_id, field.column, _short(field.stripe), _short(field.row) if one.has_row else "no row")
        for one in found.objects
        for field in one.fields
        if field.differs
    ]
    if fields:
        print_title("Fields that differed")
        print_table(("OBJECT", "COLUMN", "STRIPE SAYS", "THE ROW SHOWED"), fields)


def _print_columns(head: str, drift: Iterable[Drift]) -> None:
    """Print each column once, how many rows differ in it, and the first of them."""
    examples = {(one.table, one.column): one for one in reversed(tuple(drift))}
    if not examples:
        return
    counts = Counter((one.table, one.column) for one in drift)
    print_title(head)
    print_table(
        ("TABLE", "COLUMN", "ROWS", "FOR EXAMPLE", "STRIPE SAYS", "THE ROW SHOWED"),
        [
            (*place, f"{counts[place]:,}", one.object_id, _short(one.expected), _short(one.found))
            for place, one in sorted(examples.items())
        ],
    )


def _short(value: object) -> str:
    text = SPELLED[value] if value is None or isinstance(value, bool) else str(value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 1]}…"


@click.command()
@reason_option
@who_option
@json_option
def sweep(*, why: str, who: str, as_json: bool) -> None:
    """Look for events that no webhook brought.

    They are put into their mailboxes, as their webhooks would have been. Workers do so every five minutes by themselves.
    Needs STRIPE_API_KEY. Ctrl-C is safe: the next sweep continues from there. While another sweep is under way
    nothing is done.
    """
    with open_reconciliation(name="cogento sweep") as reconciliation, percent_bar() as show:
        swept = runtime.run(
            reconciliation.sweep(
                grace_seconds=0,
                report=lambda now: show(f"{now.listed:,} listed, {now.missing:,} missing", now.share),
            )
        )
        if swept is not None:
            found = {"listed": swept.listed, "missing": swept.missing}
            runtime.run(reconciliation.record(Action.SWEEP, who=who, why=why, details=found))
    if as_json:
        print_json(swept)
    elif swept is None:
        click.echo("Another sweep is under way.")
    else:
        print_facts(
            [
                *(
                    (name, f"{second(dt.datetime.fromtimestamp(at, dt.UTC))} UTC")
                    for name, at in (("from", swept.since), ("to", swept.at))
                ),
                ("listed", f"{counted(swept.listed, 'event')} of ours"),
                ("missing", f"{counted(swept.missing, 'event')}, now queued" if swept.missing else "none"),
            ]
        )
    if swept is not None and not swept.is_whole:
        raise Failure("The workers are behind: too many events wait to be applied. Sweep again later.")
