"""Outcomes, rows and doubts, as people are told."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from cogento.console.messages import OUTCOMES, describe_ambiguity, describe_outcome, describe_row
from cogento.events.names import EventId, ObjectId
from cogento.events.outcomes import FINAL_OUTCOMES, Reason
from cogento.ordering.explain import Choice, Tie, TiedEvent
from cogento.ordering.walks import Why
from cogento.store.history import CustomerRecord, LedgerRecord

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
SUB = ObjectId("sub_1")
EVT_2 = EventId("evt_2")


def record(outcome: str, reason: str | None, superseded_by: str | None = None) -> LedgerRecord:
    return LedgerRecord(
        event_id=EventId("evt_1"),
        event_type="customer.updated",
        object_id=ObjectId("cus_1"),
        event_created_at=NOON,
        received_at=NOON,
        settled_at=NOON,
        outcome=outcome,
        reason=reason,
        superseded_by=EventId(superseded_by) if superseded_by else None,
        attempts=0,
        source="webhook",
        status_before=None,
        status_after=None,
    )


def row(**fields: Any) -> CustomerRecord:
    values: dict[str, Any] = {
        "user_id": "",
        "customer_id": "cus_1",
        "email": "ada@example.com",
        "stripe_email": "ada@example.com",
        "name": None,
        "stripe_created_at": None,
        "stripe_updated_at": None,
        "synced_at": NOON,
        "deleted_at": None,
        "last_webhook_event_id": None,
        "unsure": False,
        "roles": (),
    }
    return CustomerRecord(**values | fields)


@pytest.mark.parametrize(
    ("outcome", "reason", "said"),
    [
        ("applied", Reason.NEWER, "applied: newest so far"),
        ("stale", Reason.STALE, "out of date: a later event had been applied"),
        (
            "stale",
            Reason.AFTER_DELETE,
            "out of date: a later event had been applied; the object had ended before",
        ),
        ("unchanged", Reason.UNCHANGED, "no change"),
        ("dead", "malformed", "failed: it is a dead letter"),
    ],
)
def test_outcome_is_told_with_its_reason(outcome: str, reason: str, said: str) -> None:
    assert str(describe_outcome(record(outcome, reason))).startswith(said)


def test_superseded_event_names_its_successor() -> None:
    told = str(describe_outcome(record("superseded", Reason.SUPERSEDED, "evt_2")))
    assert told == "skipped: evt_2 in the same batch is newer"


@pytest.mark.parametrize("outcome", FINAL_OUTCOMES)
def test_every_outcome_of_the_ledger_has_words(outcome: str) -> None:
    assert outcome in OUTCOMES


def test_missing_row_is_told() -> None:
    assert describe_row(None) == ["No database row yet: the customer's own event has not been applied."]


def test_ordinary_row_says_nothing() -> None:
    assert describe_row(row()) == []


def test_row_whose_address_an_older_customer_has_says_so() -> None:
    (said,) = describe_row(row(email="cus_1@placeholder.invalid"))
    assert "An older customer has the same e-mail address" in said


def test_row_without_an_address_says_so() -> None:
    (said,) = describe_row(row(email="cus_1@placeholder.invalid", stripe_email=None))
    assert "no e-mail address in Stripe" in said


def test_deleted_row_says_so_and_nothing_of_its_address() -> None:
    (said,) = describe_row(row(email="cus_1@placeholder.invalid", stripe_email=None, deleted_at=NOON))
    assert said.startswith("Deleted in Stripe")


def tie(why: Why, *events: TiedEvent, partial: bool = False, doubted: bool = False) -> Tie:
    return Tie(
        events=events,
        before=frozenset(),
        ends=frozenset(),
        why=why,
        choice=Choice.GREATEST_ID,
        partial=partial,
        doubted=doubted,
        sure=False,
    )


def tied(id_: str, leads_from: str | None = None, *, may_be_last: bool = True) -> TiedEvent:
    return TiedEvent(EventId(id_), int(NOON.timestamp()), leads_from, "b", may_be_last)


def test_unsure_row_names_the_events_that_tie_and_why_one_was_chosen() -> None:
    told = describe_ambiguity(SUB, EVT_2, tie(Why.AMBIGUOUS, tied("evt_1", "a"), tied("evt_2")))
    assert told == [
        "It is not known which event of sub_1 is the latest: orders that fit end in different states.",
        (
            "Any of these may be the latest: evt_1 of 2026-01-01 12:00:00 UTC (with previous values); "
            "evt_2 of 2026-01-01 12:00:00 UTC (without previous values)."
        ),
        f"evt_2 is shown: {Choice.GREATEST_ID}.",
    ]


def test_event_that_cannot_be_the_last_is_not_named() -> None:
    told = describe_ambiguity(SUB, EVT_2, tie(Why.BROKEN, tied("~short", may_be_last=False), tied("evt_2")))
    assert told == [f"It is not known which event of sub_1 is the latest: {Why.BROKEN}."]


def test_row_of_an_event_without_the_whole_object_says_so() -> None:
    told = describe_ambiguity(SUB, EVT_2, tie(Why.ALIKE, tied("evt_2"), partial=True))
    assert told == [
        "It is not known which event of sub_1 is the latest: evt_2 does not carry the whole object."
    ]


def test_row_whose_answer_is_not_believed_yet_says_so() -> None:
    (told,) = describe_ambiguity(SUB, EVT_2, tie(Why.ALIKE, tied("evt_2"), doubted=True))
    assert "Stripe's own answer" in told


def test_flood_of_tied_events_is_cut_short() -> None:
    told = describe_ambiguity(SUB, EVT_2, tie(Why.BROKEN, *[tied("evt_2")] * 12))
    assert told[1].endswith("; and 2 more.")


def test_evidence_of_another_release_is_told() -> None:
    assert "another release" in describe_ambiguity(SUB, EVT_2, None)[0]
