"""`cogento pause` and `cogento resume`: hold events back without refusing them."""

from __future__ import annotations

import click

from cogento.console.opening import open_mailboxes
from cogento.console.printable import printable
from cogento.events.names import CustomerId

customer_argument = click.argument("customer", required=False)
all_option = click.option("--all", "everything", is_flag=True, help="Everyone's events.")


@click.command()
@customer_argument
@all_option
def pause(customer: str | None, *, everything: bool) -> None:
    """Hold back CUSTOMER's events, or everyone's with --all.

    Events are still received, and wait. A batch under way is finished.
    """
    whose = _whose(customer, everything=everything)
    with open_mailboxes() as mailboxes:
        done = mailboxes.pause(whose)
    click.echo(f"{_named(whose)} {'is paused' if done else 'was paused already'}.")


@click.command()
@customer_argument
@all_option
def resume(customer: str | None, *, everything: bool) -> None:
    """Let CUSTOMER's events go on, or everyone's with --all.

    A customer that was paused by name stays paused when --all is resumed.
    """
    whose = _whose(customer, everything=everything)
    with open_mailboxes() as mailboxes:
        done = mailboxes.resume(whose)
    click.echo(f"{_named(whose)} {'goes on' if done else 'was not paused'}.")


def _whose(customer: str | None, *, everything: bool) -> CustomerId | None:
    if everything == bool(customer):
        raise click.UsageError("Name one customer (cus_…), or say --all.")
    return None if customer is None else CustomerId(customer)


def _named(whose: CustomerId | None) -> str:
    return "Everything" if whose is None else printable(whose)
