"""`cogento explain`: why is this row like that, and what is it waiting for?"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

import click

from cogento.cli.printing import json_option, print_facts, print_json, print_table, print_title
from cogento.console.connections import open_mailboxes, open_store
from cogento.console.errors import Failure, friendly_errors
from cogento.console.explain import AmbiguousQuery, PartialExplanation, explain_id
from cogento.console.formatting import printable, second

if TYPE_CHECKING:
    from cogento.console.explain import Explanation

RECENT = 20


@click.command()
@click.argument("asked", metavar="ID")
@json_option
def explain(asked: str, *, as_json: bool) -> None:
    """Tell the story of a customer, a subscription or an event.

    ID is Stripe's (cus_…, sub_…, evt_… or of what else has a table), or an e-mail address.
    """
    with open_mailboxes() as mailboxes, open_store(name="cogento explain") as store:
        found = explain_id(asked, mailboxes, store)
    if found is None:
        raise Failure("Nothing is known of this: no mailbox, row, ledger entry or dead letter has it.")
    answer = found.explanation if isinstance(found, PartialExplanation) else found
    if as_json:
        print_json(_plain(answer))
    elif isinstance(answer, AmbiguousQuery):
        click.echo(f"{len(answer.customers)} customers have this address in Stripe. Ask for one of them:")
        for customer_id in answer.customers:
            click.echo(f"  {printable(customer_id)}")
    else:
        _print(answer)
    if isinstance(found, PartialExplanation):
        with friendly_errors():
            raise found.error


def _plain(found: Explanation | AmbiguousQuery) -> object:
    """Name each kind of object by its table."""
    if isinstance(found, AmbiguousQuery) or found.records is None:
        return found
    records = {field.name: getattr(found.records, field.name) for field in dataclasses.fields(found.records)}
    objects = {kind.table: [one.row for one in rows] for kind, rows in records.pop("objects").items()}
    found_ = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return {**found_, "records": {**records, **objects}}


def _print(found: Explanation) -> None:
    click.secho(printable(found.customer_id), bold=True)
    for sentence in found.sentences or ("Everything that was received is applied.",):
        click.echo(f"  {printable(sentence)}")

    if found.mail:
        print_title("In the mailbox, the oldest first")
        waiting = [
            (one.event_id, "parked" if one.is_parked else "waiting", one.waited, one.attempts, one.why)
            for one in found.mail[:RECENT]
        ]
        print_table(("EVENT", "STATE", "SINCE", "FAILED TRIES", "WHY"), waiting)

    records = found.records
    if records is None:
        return
    if (row := records.customer) is not None:
        print_title("Row")
        print_facts(
            [
                ("email", row.email),
                ("stripe_email", row.stripe_email or "none"),
                ("name", row.name or "none"),
                ("roles", ", ".join(row.roles) or "none"),
                ("synced_at", f"{second(row.synced_at)} UTC"),
                ("last event", row.last_webhook_event_id or "none"),
            ]
        )
    for kind, objects in records.objects.items():
        if objects:
            print_title(kind.table.capitalize())
            rows = [
                (one.object_id, *(_short(one.row[column]) for column in kind.shown.values()))
                for one in objects
            ]
            print_table(("ID", *map(str.upper, kind.shown)), rows)
    if records.events:
        print_title("Events, the newest first")
        events = [
            (second(one.record.event_created_at), one.record.event_id, one.record.event_type, one.meaning)
            for one in records.events[:RECENT]
        ]
        print_table(("HAPPENED", "EVENT", "TYPE", "WHAT BECAME OF IT"), events)


def _short(value: object) -> object:
    if value is None:
        return ""
    return f"{value:%Y-%m-%d}" if isinstance(value, dt.datetime) else value
