"""`cogento waiting`, `pause`, `resume` and `try-now`: customers whose events wait: listed, paused, resumed, or tried now."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cogento import runtime
from cogento.cli.options import read_customer_id, reason_option, who_option
from cogento.cli.printing import json_option, print_json, print_table
from cogento.console.connections import open_mailboxes, open_store_if_configured
from cogento.console.formatting import printable
from cogento.console.queue_actions import UNCHANGED, QueueAction, QueueActions, is_customer_id
from cogento.console.queue_messages import describe_pause
from cogento.console.waiting import describe_unlisted, describe_waiting
from cogento.events.names import CustomerId
from cogento.queue.waiting import MAX_CUSTOMERS, WaitingState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogento.console.queue_actions import ActionResult
    from cogento.queue.mailboxes import Mailboxes
    from cogento.queue.waiting import WaitingPage

LISTED = 50
HEADS = ("CUSTOMER", "STATE", "EVENTS", "OLDEST", "WHY", "NEXT")

customer_argument = click.argument("customer", required=False)
all_option = click.option("--all", "everything", is_flag=True, help="Everyone's events.")


@click.command()
@click.option(
    "--state", type=click.Choice([state.value for state in WaitingState]), help="Of this state alone."
)
@click.option("--customer", metavar="ID", help="This customer alone.")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_CUSTOMERS),
    default=LISTED,
    show_default=True,
    help="At most this many of each state.",
)
@json_option
def waiting(*, state: str | None, customer: str | None, limit: int, as_json: bool) -> None:
    """List customers whose events wait: why, since when, and what comes next."""
    whose = None if customer is None else read_customer_id(customer)
    states = tuple(WaitingState) if state is None else (WaitingState(state),)
    with open_mailboxes() as mailboxes:
        page = runtime.run(
            mailboxes.waiting(None if state is None else states[0], customer=whose, limit=limit)
        )
    unlisted = {} if whose else {one.value: page.unlisted(one) for one in states}
    if as_json:
        print_json(
            {
                "customers": page.customers,
                "everything_paused": page.everything,
                "rows": page.rows,
                "unlisted": unlisted,
                "now_ms": page.now_ms,
            }
        )
        return
    if page.everything:
        click.echo(f"Everything was paused {printable(describe_pause(page.everything, page.now_ms))}.")
    if not page.rows:
        click.echo(f"Nothing of {printable(whose)} waits." if whose else "Nothing waits.")
        return
    _print(page, () if whose else states)


def _print(page: WaitingPage, states: Sequence[WaitingState]) -> None:
    rows = [
        (line.customer_id, line.state, f"{line.row.events:,}", line.oldest, line.why, line.next)
        for line in describe_waiting(page)
    ]
    print_table(HEADS, rows)
    more = [f"{count:,} more {state}" for state, count in describe_unlisted(page, states).items()]
    if more:
        click.echo(
            f"\nNot listed: {', '.join(more)}. --state and --limit list up to {MAX_CUSTOMERS} of a state, --customer any."
        )


@click.command()
@customer_argument
@all_option
@reason_option
@who_option
@json_option
def pause(customer: str | None, *, everything: bool, why: str, who: str, as_json: bool) -> None:
    """Hold back CUSTOMER's events, or everyone's with --all.

    Events are still received and queued. A batch under way is finished. CUSTOMER is Stripe's id (cus_…), known here or not
    yet. What is paused already stays as it was, its reason included.
    """
    whose = None if _names_all(customer, everything=everything) else read_customer_id(customer)
    with _open_actions("cogento pause") as (mailboxes, actions):
        done = actions.pause(whose, who=who, why=why)
        held = (
            runtime.run(mailboxes.pause_of_everything())
            if whose is None
            else runtime.run(mailboxes.view(whose)).pause
        )
        now_ms = runtime.run(mailboxes.now_ms())
        is_known = whose is None or actions.is_known(whose)
    if as_json:
        print_json({"customer": whose, "paused": True, "changed": done.changed, "pause": held})
    elif done.changed:
        click.echo(f"Paused {_named(whose)}.")
    else:
        by = f" {describe_pause(held, now_ms)}" if held else ""
        click.echo(f"Nothing changed: {_named(whose)} is already paused{printable(by)}.")
    if is_known is False:
        click.echo(
            f"Nothing is known of {_named(whose)} here: check the id. Its events would wait.", err=True
        )
    _warn_if_unrecorded(done)


@click.command()
@customer_argument
@all_option
@reason_option
@who_option
@json_option
def resume(customer: str | None, *, everything: bool, why: str, who: str, as_json: bool) -> None:
    """Resume processing of CUSTOMER's events, or everyone's with --all.

    A customer that was paused by name stays paused when --all is resumed, and the other way round.
    """
    whose = None if _names_all(customer, everything=everything) else CustomerId(customer or "")
    with _open_actions("cogento resume") as (mailboxes, actions):
        # An earlier release let people pause ids that are no customer's; these can still be resumed.
        if whose is not None and not is_customer_id(whose) and not runtime.run(mailboxes.view(whose)).pause:
            read_customer_id(whose)
        done = actions.resume(whose, who=who, why=why)
        everybody = runtime.run(mailboxes.pause_of_everything())
        by_name = runtime.run(mailboxes.waiting(WaitingState.PAUSED, limit=1)).customers[WaitingState.PAUSED]
    if as_json:
        print_json(
            {"customer": whose, "paused": False, "changed": done.changed, "everything_paused": everybody}
        )
    else:
        click.echo(
            f"Resumed {_named(whose)}."
            if done.changed
            else f"Nothing changed: {_named(whose)} is not paused."
        )
        if whose is not None and everybody is not None:
            click.echo("Everything is still paused: `cogento resume --all` resumes it.")
        if whose is None and by_name:
            still = "1 customer is" if by_name == 1 else f"{by_name:,} customers are"
            click.echo(f"{still} still paused by name: `cogento waiting --state paused` lists them.")
    _warn_if_unrecorded(done)


@click.command("try-now")
@click.argument("customer")
@reason_option
@who_option
@json_option
def try_now(customer: str, *, why: str, who: str, as_json: bool) -> None:
    """Try CUSTOMER's events now that are retried later, or wait for the customer's own event.

    Their attempts so far still count. What is paused stays paused.
    """
    whose = read_customer_id(customer)
    with _open_actions("cogento try-now") as (_, actions):
        done = actions.try_now(whose, who=who, why=why)
    if as_json:
        print_json({"customer": whose, "changed": done.changed})
    elif done.changed:
        click.echo(f"The events of {_named(whose)} are tried now.")
    else:
        click.echo(f"Nothing changed. {UNCHANGED[QueueAction.TRY_NOW].format(_named(whose))}")
    _warn_if_unrecorded(done)


@contextmanager
def _open_actions(name: str) -> Iterator[tuple[Mailboxes, QueueActions]]:
    with open_mailboxes() as mailboxes, open_store_if_configured(name=name) as store:
        yield mailboxes, QueueActions(mailboxes, store)


def _names_all(customer: str | None, *, everything: bool) -> bool:
    if everything == bool(customer):
        raise click.UsageError("Name one customer (cus_…), or say --all.")
    return everything


def _named(whose: CustomerId | None) -> str:
    return "everything" if whose is None else printable(whose)


def _warn_if_unrecorded(done: ActionResult) -> None:
    if done.unrecorded:
        click.echo(f"Done, but not recorded as activity: {done.unrecorded}", err=True)
