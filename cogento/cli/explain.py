"""`cogento explain`: why a row is as it is, and what its customer waits for."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

import click

from cogento.cli.printing import json_option, print_facts, print_json, print_table, print_title
from cogento.console.connections import open_mailboxes, open_store
from cogento.console.errors import Failure, friendly_errors
from cogento.console.explain import AmbiguousQuery, NothingFound, PartialExplanation, explain_id
from cogento.console.formatting import items_in_words, printable, second
from cogento.events.names import EventId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.console.explain import CustomerRecords, Explanation
    from cogento.events.kinds.kind import Kind
    from cogento.store.history import ObjectRecord

SHOWN = 20
MAX_SHOWN = 500
MAX_NAMED = 100  # customers of one address (history_whose.sql)


@click.command()
@click.argument("asked", metavar="ID")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_SHOWN),
    default=SHOWN,
    show_default=True,
    help="At most this many lines of each list.",
)
@json_option
def explain(asked: str, *, limit: int, as_json: bool) -> None:
    """Explain a customer, subscription or event: state, history, what it waits for.

    ID is Stripe's (cus_…, sub_…, evt_… or of another object with a table), a user_id, or an e-mail address. An id that no table
    has is looked for in the events that wait.
    """
    with open_mailboxes() as mailboxes, open_store(name="cogento explain") as store:
        found = explain_id(asked, mailboxes, store, limit=limit + 1)
    if isinstance(found, NothingFound):
        raise Failure(printable(" ".join(found.sentences), longest=MAX_SHOWN))
    answer = found.explanation if isinstance(found, PartialExplanation) else found
    if as_json:
        print_json(_plain(answer, limit=limit))
    elif isinstance(answer, AmbiguousQuery):
        count = f"{MAX_NAMED} or more" if len(answer.customers) >= MAX_NAMED else str(len(answer.customers))
        said = "have this address in Stripe" if answer.is_address else "are named by events with this id"
        click.echo(f"{count} customers {said}. Ask for one of them:")
        for customer_id in answer.customers:
            click.echo(f"  {printable(customer_id)}")
    else:
        _print(answer, limit=limit)
    if isinstance(found, PartialExplanation):
        with friendly_errors():
            raise found.error


def _plain(found: Explanation | AmbiguousQuery, *, limit: int) -> object:
    """Return what was found as JSON, each kind of object under its table's name; `cut` names lists of which not everything is printed."""
    if isinstance(found, AmbiguousQuery) or found.records is None:
        return found
    records = {field.name: getattr(found.records, field.name) for field in dataclasses.fields(found.records)}
    lists = {kind.table: [one.row for one in rows] for kind, rows in records.pop("objects").items()}
    lists |= {name: list(records[name]) for name in ("events", "letters", "unsure")}
    fields = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    cut = [name for name, rows in lists.items() if len(rows) > limit]
    return {
        **fields,
        "records": {**records, **{name: rows[:limit] for name, rows in lists.items()}},
        "cut": cut,
    }


def _print(found: Explanation, *, limit: int) -> None:
    click.secho(printable(found.customer_id), bold=True)
    for sentence in found.sentences or ("Nothing is waiting; all received events have been processed.",):
        click.echo(f"  {printable(sentence)}")
    _print_mailbox(found, limit=limit)
    records = found.records
    if records is None:
        return
    if (row := records.customer) is not None:
        print_title("Database row")
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
    _print_objects(records.objects, records, limit=limit)
    if records.events:
        print_title("Events, newest first")
        events = [
            (
                second(one.record.event_created_at),
                one.record.event_id,
                one.record.object_id,
                f"{one.record.event_type} {one.record.status_change}".strip(),
                one.meaning,
            )
            for one in records.events
        ]
        _print_list(("CREATED IN STRIPE", "EVENT", "OBJECT", "TYPE", "OUTCOME"), events, limit=limit)


def _print_mailbox(found: Explanation, *, limit: int) -> None:
    if found.mailbox is None:
        return
    for title, events, total in (
        (
            "Waiting, in order",
            [one for one in found.waiting_events if not one.is_parked],
            found.mailbox.waiting_total,
        ),
        (
            "Waiting for the customer's own event",
            [one for one in found.waiting_events if one.is_parked],
            found.mailbox.parked_total,
        ),
    ):
        if events:
            print_title(title)
            _print_list(
                ("EVENT", "OBJECT", "TYPE", "WAITED", "FAILED ATTEMPTS", "WHY"),
                [
                    (
                        one.event_id,
                        one.object_id,
                        f"{one.event_type} {one.change}".strip(),
                        one.waited,
                        one.attempts,
                        one.why,
                    )
                    for one in events
                ],
                limit=limit,
                total=total,
            )


def _print_objects(
    objects_by_kind: Mapping[Kind, Sequence[ObjectRecord]], records: CustomerRecords, *, limit: int
) -> None:
    """Print the rows of each kind, with the event that each was written from as far as it is listed."""
    known = {one.record.event_id: one.record for one in records.events}
    for kind, objects in objects_by_kind.items():
        if not objects:
            continue
        print_title(kind.table.capitalize())
        rows = []
        for one in objects:
            event_id = EventId(str(one.row["last_webhook_event_id"] or ""))
            event = known.get(event_id)
            written = f"{event_id} {event.event_type} {second(event.event_created_at)}" if event else event_id
            rows.append(
                (one.object_id, *(_short(one.row[column]) for column in kind.shown.values()), written)
            )
        _print_list(("ID", *map(str.upper, kind.shown), "WRITTEN FROM"), rows, limit=limit)


def _print_list(
    heads: Sequence[str], rows: Sequence[Sequence[object]], *, limit: int, total: int | None = None
) -> None:
    """Print at most `limit` rows, and say so where there are more."""
    print_table(heads, rows[:limit])
    shown = min(limit, len(rows))
    if total is not None and total > shown:
        click.echo(f"The first {shown:,} of {total:,}.")
    elif total is None and len(rows) > shown:
        click.echo(f"There are more: --limit shows up to {MAX_SHOWN}.")


def _short(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, list):
        return items_in_words(value)
    return f"{value:%Y-%m-%d}" if isinstance(value, dt.datetime) else value
