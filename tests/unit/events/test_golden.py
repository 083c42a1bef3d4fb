"""Recorded Stripe payloads become the rows that a person reads in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import asdict

from cogento.events.envelope import is_ours, parse_envelope
from cogento.events.errors import PermanentError, RejectedError
from cogento.events.event import Event, read_event
from tests.support.stripe_files import GOLDEN, LATER, MALFORMED, NAMES, NOT_OURS, ROWS, posted


def row(event: Event) -> dict[str, Any]:
    """What the event's table would show, under the table's names."""
    columns = asdict(event.columns)
    json_columns = ("address", "metadata", "items", "pause_collection")
    parsed = {key: json.loads(columns[key]) for key in json_columns if columns.get(key)}
    return {event.kind.table: {event.kind.stripe_id_column: event.object_id, **columns, **parsed}}


def test_every_file_has_a_golden_answer() -> None:
    assert sorted(GOLDEN) == NAMES


@pytest.mark.parametrize("name", ROWS)
def test_becomes_the_row_that_a_person_reads_in_it(name: str) -> None:
    assert row(read_event(posted(name))) == GOLDEN[name]


@pytest.mark.parametrize("name", ROWS)
def test_waits_in_its_customers_mailbox(name: str) -> None:
    (golden,) = GOLDEN[name].values()

    assert parse_envelope(posted(name), now=LATER).customer_id == golden.get(
        "customer_id", golden.get("stripe_customer_id")
    )


@pytest.mark.parametrize("name", NOT_OURS)
def test_is_not_ours_and_has_no_table(name: str) -> None:
    assert not is_ours(parse_envelope(posted(name), now=LATER).type)
    with pytest.raises(PermanentError, match="have no table"):
        read_event(posted(name))


@pytest.mark.parametrize("name", MALFORMED)
def test_is_malformed(name: str) -> None:
    with pytest.raises(RejectedError) as refused:
        parse_envelope(posted(name), now=LATER)
    assert f"{refused.value.code}: {refused.value.message}" == GOLDEN[name]
