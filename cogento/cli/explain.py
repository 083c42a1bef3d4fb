"""`cogento explain`: why is this row like that, and what is it waiting for?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cogento.cli.printing import json_option, print_facts, print_json, print_table
from cogento.console.connections import open_mailboxes, open_store
from cogento.console.errors import Failure, friendly_errors
from cogento.console.explain import AmbiguousQuery, PartialExplanation, explain_id
from cogento.console.formatting import printable

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from cogento.console.explain import ExplainedEvent, Explanation, WaitingEvent
    from cogento.store.history import CustomerRecord, SubscriptionRecord

RECENT = 20


@click.command()
@click.argument("asked", metavar="ID")
@json_option
def explain(asked: str, *, as_json: bool) -> None:
    """Tell the story of a customer, a subscription or an event.

    ID is Stripe's (cus_…, sub_… or evt_…), or an e-mail address.
    """
    with open_mailboxes() as mailboxes, open_store(name="cogento explain") as store:
        found = explain_id(asked, mailboxes, store)
    if found is None:
        raise Failure("Nothing is known of this: no mailbox, row, ledger entry or dead letter has it.")
    answer = found.explanation if isinstance(found, PartialExplanation) else found
    if as_json:
        print_json(answer)
    elif isinstance(answer, AmbiguousQuery):
        click.echo(f"{len(answer.customers)} customers have this address in Stripe. Ask for one of them:")
        for customer_id in answer.customers:
            click.echo(f"  {printable(customer_id)}")
    else:
        _print(answer)
    if isinstance(found, PartialExplanation):
        with friendly_errors():
            raise found.error


def _print(found: Explanation) -> None:
    click.secho(printable(found.customer_id), bold=True)
    for sentence in found.sentences or ("Everything that was received is applied.",):
        click.echo(f"  {printable(sentence)}")
    if found.mail:
        _print_mail(found.mail[:RECENT])
    records = found.records
    if records is None:
        return
    if records.customer:
        _print_customer(records.customer)
    if records.subscriptions:
        _print_subscriptions(records.subscriptions)
    if records.events:
        _print_events(records.events[:RECENT])


def _print_mail(mail: Sequence[WaitingEvent]) -> None:
    _head("In the mailbox, the oldest first")
    rows = [
        (one.event_id, "parked" if one.is_parked else "waiting", one.waited, one.attempts, one.why)
        for one in mail
    ]
    print_table(("EVENT", "STATE", "SINCE", "FAILED TRIES", "WHY"), rows)


def _print_customer(record: CustomerRecord) -> None:
    _head("Row")
    print_facts(
        [
            ("email", record.email),
            ("stripe_email", record.stripe_email or "none"),
            ("name", record.name or "none"),
            ("roles", ", ".join(record.roles) or "none"),
            ("synced_at", f"{_second(record.synced_at)} UTC"),
            ("last event", record.last_webhook_event_id or "none"),
        ]
    )


def _print_subscriptions(records: Sequence[SubscriptionRecord]) -> None:
    _head("Subscriptions")
    rows = [
        (row.subscription_id, row.status, _day(row.current_period_end), row.product_id or "")
        for row in records
    ]
    print_table(("ID", "STATUS", "UNTIL", "PRODUCT"), rows)


def _print_events(events: Sequence[ExplainedEvent]) -> None:
    _head("Events, the newest first")
    rows = [
        (_second(one.record.event_created_at), one.record.event_id, one.record.event_type, one.meaning)
        for one in events
    ]
    print_table(("HAPPENED", "EVENT", "TYPE", "WHAT BECAME OF IT"), rows)


def _head(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def _second(when: dt.datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}"


def _day(when: dt.datetime | None) -> str:
    return "" if when is None else f"{when:%Y-%m-%d}"
