"""`cogento forget`: erase a person's data, after saying what that is."""

from __future__ import annotations

import click

from cogento import runtime
from cogento.cli.options import reason_option, who_option
from cogento.cli.printing import json_option, print_facts, print_json
from cogento.console.connections import open_mailboxes, open_store
from cogento.console.errors import Failure
from cogento.console.queue_actions import is_customer_id
from cogento.events.names import CustomerId
from cogento.reconcile.forget import CustomerBusyError, ForgetReport, Forgetting, ReasonNamesPersonError


@click.command()
@click.argument("customer")
@click.option("--yes", is_flag=True, help="Really erase it (without: dry run).")
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="TEXT",
    help="A name, address or number of the person, to be looked for in reasons beside those that are known here. May be repeated.",
)
@reason_option
@who_option
@json_option
def forget(customer: str, *, yes: bool, names: tuple[str, ...], why: str, who: str, as_json: bool) -> None:
    """Erase the personal data of CUSTOMER everywhere here, for good.

    That is its row, what may be personal of its subscriptions, its roles, its dead letters of any status, its waiting events,
    and what people typed that names the person. A deleted row without personal data stays, so that nothing late brings
    the person back. Who did it and why is recorded, without the data.
    """
    if not is_customer_id(customer):
        raise click.UsageError(
            "CUSTOMER is the id of a customer in Stripe, cus_…. `cogento explain` finds it."
        )
    with open_mailboxes() as mailboxes, open_store(name="cogento forget") as store:
        forgetting = Forgetting(mailboxes, store)
        report = runtime.run(forgetting.plan(CustomerId(customer), names=names))
        if report.is_empty:
            raise Failure(f"Nothing here is about {customer}.")
        try:
            if yes:
                report = runtime.run(forgetting.run(CustomerId(customer), who=who, why=why, names=names))
        except ReasonNamesPersonError as error:
            raise Failure(
                "The reason names the person, and it is kept. Say it without; nothing was changed."
            ) from error
        except CustomerBusyError as error:
            raise Failure(
                "The tables are done. A worker holds the customer's waiting events: run the same command again."
            ) from error
    if as_json:
        print_json({"erased": yes, "report": report})
    else:
        _print(report, done=yes)


def _print(report: ForgetReport, *, done: bool) -> None:
    click.echo(f"{'Erased' if done else 'This would erase'} of {report.customer_id}:")
    rows = report.rows
    print_facts(
        [
            ("  customers", rows.users),
            ("  subscriptions and others", rows.objects),
            ("  roles", rows.roles),
            ("  dead letters", rows.letters),
            ("  notices", rows.notices),
            ("  reasons that people typed", rows.reasons),
            ("  waiting events", report.events),
        ]
    )
    click.echo("\nOut of reach from here:")
    for sentence in report.out_of_reach:
        click.echo(f"  {sentence}")
    if not done:
        click.echo("\nThis cannot be undone. Add --yes to do it.")
