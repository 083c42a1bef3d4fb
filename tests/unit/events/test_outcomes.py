"""The closed sets that say what became of an event: complete, and the same words as in the tables."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

import schema.migrations
from cogento.events.outcomes import FINAL_OUTCOMES, Outcome, Reason, Result, decided
from cogento.store.history import Totals
from cogento.store.letter_records import LetterStatus

TABLES = (Path(schema.migrations.__file__).parent / "versions" / "0001_tables.sql").read_text(
    encoding="utf-8"
)


def allowed(constraint: str) -> list[str]:
    """Read the words that a check constraint allows."""
    (words,) = re.findall(rf"{constraint}\s+CHECK \(\w+ IN \(([^)]*)\)\)", TABLES)
    return re.findall(r"'(\w+)'", words)


@pytest.mark.parametrize("reason", Reason)
def test_whatever_the_order_decides_is_final(reason: Reason) -> None:
    assert decided(reason).is_final


@pytest.mark.parametrize("outcome", [Outcome.PARKED, Outcome.RETRY_AT, Outcome.ENQUEUED])
def test_what_stays_in_the_queue_is_not_final(outcome: Outcome) -> None:
    assert not Result(outcome).is_final


def test_the_ledger_allows_the_final_outcomes_and_no_other() -> None:
    assert allowed("webhook_events_outcome_check") == list(FINAL_OUTCOMES)


def test_totals_are_kept_of_every_final_outcome() -> None:
    assert [field.name for field in fields(Totals)][: len(FINAL_OUTCOMES)] == list(FINAL_OUTCOMES)


def test_dead_letters_have_the_statuses_that_their_table_allows() -> None:
    assert allowed("dead_letters_status_check") == list(LetterStatus)
