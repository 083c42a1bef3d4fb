"""Recorded Stripe payloads become the rows that were written by hand for them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import asdict

from cogento.events.envelope import is_ours, parse_envelope
from cogento.events.errors import PermanentError, RejectedError
from cogento.events.event import Event, read_event
from cogento.events.kinds import KINDS
from cogento.events.kinds.kind import Kind
from tests.support.builders import NOT_OURS_TYPE, customer, event_body, subscription
from tests.support.stripe_files import DEAD_LETTER, GOLDEN, LATER, NAMES, ROWS, posted


def row(event: Event) -> dict[str, Any]:
    """What the event's table would show, under the table's names."""
    columns = asdict(event.columns)
    json_columns = ("address", "metadata", "items", "pause_collection")
    parsed = {key: json.loads(columns[key]) for key in json_columns if columns.get(key)}
    return {event.kind.table: {event.kind.stripe_id_column: event.object_id, **columns, **parsed}}


def becomes(body: bytes) -> object:
    """What a file becomes, in the forms of GOLDEN."""
    ours = "" if is_ours(json.loads(body)["type"]) else "not ours, "
    try:
        parse_envelope(body, now=LATER)
        return row(read_event(body))
    except RejectedError as refused:
        return f"{ours}{refused.code}: {refused.message}"
    except PermanentError as failed:
        return f"{DEAD_LETTER}{failed.message}" if ours == "" else "not ours"


def test_every_file_has_a_golden_answer() -> None:
    assert sorted(GOLDEN) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_becomes_what_a_person_reads_in_it(name: str) -> None:
    assert becomes(posted(name)) == GOLDEN[name], f"tests/data/golden_rows.json has what {name} becomes"


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_of_every_kind_some_payload_becomes_a_row(kind: Kind) -> None:
    shown = {table for name in ROWS for table in GOLDEN[name]}
    assert kind.table in shown, "see docs/adding-an-object.md, Which kinds fit"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            event_body("customer.subscription.updated", subscription(status=None)),
            "dead letter: the subscription has no status",
        ),
        (
            event_body("customer.updated", customer(id=None)),
            "malformed: `data.object.id` is not an object id",
        ),
        (event_body(NOT_OURS_TYPE, {"object": "balance"}), "not ours"),
        (
            event_body(NOT_OURS_TYPE, {"object": "balance"}, created=0),
            "not ours, malformed: `created` is not a possible time of an event",
        ),
    ],
)
def test_what_no_row_shows_is_told_in_words(body: bytes, words: str) -> None:
    assert becomes(body) == words


@pytest.mark.parametrize("name", ROWS)
def test_waits_in_its_customers_mailbox(name: str) -> None:
    (golden,) = GOLDEN[name].values()

    assert parse_envelope(posted(name), now=LATER).customer_id == golden.get(
        "customer_id", golden.get("stripe_customer_id")
    )
