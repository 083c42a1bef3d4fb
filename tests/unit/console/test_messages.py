"""Outcomes, states, waits and workers, as people are told."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from cogento.console.messages import (
    OUTCOMES,
    QueueContext,
    describe_ambiguity,
    describe_mailbox,
    describe_outcome,
    describe_row,
    describe_workers,
)
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.events.outcomes import FINAL_OUTCOMES, Reason, Source
from cogento.ordering.explain import Choice, Tie, TiedEvent
from cogento.ordering.walks import Why
from cogento.queue.circuit import Dependency, OpenCircuit
from cogento.queue.pauses import Pause
from cogento.queue.status import Listed, MailboxState, MailboxView
from cogento.store.history import CustomerRecord, LedgerRecord
from tests.support.figures import NOW_MS, worker, workforce

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


def tie(why: Why, *events: TiedEvent, partial: bool = False, contradicted: bool = False) -> Tie:
    return Tie(
        events=events,
        before=frozenset(),
        ends=frozenset(),
        why=why,
        choice=Choice.GREATEST_ID,
        partial=partial,
        contradicted=contradicted,
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


def test_row_of_an_answer_that_its_events_contradict_says_so() -> None:
    (told,) = describe_ambiguity(SUB, EVT_2, tie(Why.ALIKE, tied("evt_2"), contradicted=True))
    assert "Stripe's own answer" in told


def test_flood_of_tied_events_is_cut_short() -> None:
    told = describe_ambiguity(SUB, EVT_2, tie(Why.BROKEN, *[tied("evt_2")] * 12))
    assert told[1].endswith("; and 2 more.")


def test_evidence_of_another_release_is_told() -> None:
    assert "another release" in describe_ambiguity(SUB, EVT_2, None)[0]


EMPTY = MailboxView(
    customer_id=CustomerId("cus_1"),
    state=None,
    state_ms=None,
    owner=None,
    pause=None,
    crashes=0,
    parked_look_ms=None,
    waiting_total=0,
    parked_total=0,
    waiting=(),
    parked=(),
)
FAILED = Listed(EventId("evt_1"), 1, NOW_MS - 300_000, Source.WEBHOOK, 3, 1, "transient", "57014")


CONTEXT = QueueContext(now_ms=NOW_MS, pause_of_everything=None, circuits=(), workers=1)
READY = MailboxState.READY


def view(**fields: Any) -> MailboxView:
    values = {name: getattr(EMPTY, name) for name in EMPTY.__slots__}
    return MailboxView(**values | fields)


def circuit(why: str = "25006", *, recovering: bool = False) -> OpenCircuit:
    return OpenCircuit(Dependency.POSTGRES, NOW_MS - 600_000, why, recovering, NOW_MS + 12_000)


def told_in_line(**context: Any) -> list[str]:
    """What is said first of events that wait for a worker."""
    *first, in_line = describe_mailbox(
        view(waiting_total=1, state=READY, state_ms=NOW_MS), replace(CONTEXT, **context)
    )
    assert in_line == "1 event is waiting: queued for 0 ms."
    return first


@pytest.mark.parametrize(
    ("state", "at", "said"),
    [
        (MailboxState.READY, NOW_MS - 3_000, "2 events are waiting: queued for 3 s."),
        (
            MailboxState.LEASED,
            NOW_MS + 9_000,
            "2 events are waiting: a worker is processing them (lease ends in 9 s).",
        ),
        (MailboxState.PAUSED, NOW_MS - 60_000, "2 events are waiting: paused for 1 min."),
    ],
)
def test_waiting_mail_says_what_it_waits_for(state: MailboxState, at: int, said: str) -> None:
    told = describe_mailbox(view(waiting_total=2, state=state, state_ms=at), CONTEXT)
    assert told == [said]


def test_sleeping_mail_names_the_event_that_failed_and_how_often() -> None:
    asleep = view(waiting_total=1, state=MailboxState.SLEEPING, state_ms=NOW_MS + 30_000, waiting=(FAILED,))
    assert describe_mailbox(asleep, CONTEXT) == [
        "1 event is waiting, the first for 5 min: tried again in 30 s, because evt_1 failed 3 times (transient 57014)."
    ]


def test_mail_that_waits_for_another_release_says_so_and_counts_no_failure() -> None:
    put_off = replace(FAILED, attempts=0, error_class="other_release", error_code=None)
    asleep = view(waiting_total=1, state=MailboxState.SLEEPING, state_ms=NOW_MS + 30_000, waiting=(put_off,))
    assert describe_mailbox(asleep, CONTEXT) == [
        "1 event is waiting, the first for 5 min: tried again in 30 s, because evt_1 was postponed (other_release)."
    ]


def test_parked_mail_says_when_it_is_looked_at_again() -> None:
    parked = view(parked_total=1, parked_look_ms=NOW_MS + 120_000)
    assert describe_mailbox(parked, CONTEXT) == [
        "1 event is waiting for the customer's own event; looked at again in 2 min."
    ]


def test_pause_is_told_with_the_command_that_ends_it() -> None:
    told = describe_mailbox(view(pause=Pause(NOW_MS - 60_000, "ops-1", "INC-7")), CONTEXT)
    assert told == ["Paused by ops-1 1 min ago (INC-7): `cogento resume cus_1` resumes it."]


def test_a_pause_of_an_older_release_is_told_without_who_and_why() -> None:
    told = describe_mailbox(view(pause=Pause(NOW_MS - 60_000)), CONTEXT)
    assert told == ["Paused by an operator 1 min ago: `cogento resume cus_1` resumes it."]


def test_a_pause_of_everything_is_told_where_something_waits() -> None:
    paused = replace(CONTEXT, pause_of_everything=Pause(NOW_MS - 60_000, "ops-1"))
    told, *_ = describe_mailbox(view(waiting_total=1, state=READY, state_ms=NOW_MS), paused)
    assert told == "Everything was paused by ops-1 1 min ago: `cogento resume --all` resumes it."


def test_crashes_are_told() -> None:
    told = describe_mailbox(view(crashes=1), CONTEXT)
    assert told == ["Workers crashed once in a row while processing this customer's events."]


def test_empty_mailbox_says_nothing() -> None:
    assert (
        describe_mailbox(
            EMPTY, replace(CONTEXT, pause_of_everything=Pause(NOW_MS), circuits=[circuit()], workers=0)
        )
        == []
    )


def test_leased_mail_names_the_worker_that_has_it() -> None:
    leased = view(waiting_total=1, state=MailboxState.LEASED, state_ms=NOW_MS + 9_000, owner="host:7")
    assert describe_mailbox(leased, CONTEXT) == [
        "1 event is waiting: worker host:7 is processing them (lease ends in 9 s)."
    ]


def test_mail_that_failed_and_is_in_line_again_says_both() -> None:
    again = view(waiting_total=1, state=MailboxState.READY, state_ms=NOW_MS, waiting=(FAILED,))
    assert describe_mailbox(again, CONTEXT) == [
        "1 event is waiting, the first for 5 min: queued for 0 ms.",
        "Earlier, evt_1 failed 3 times (transient 57014).",
    ]


def test_mail_of_a_newer_release_is_not_said_to_wait_for_its_customer() -> None:
    newer = replace(FAILED, received_ms=None, source=None)
    (said,) = describe_mailbox(view(parked_total=1, parked=(newer,), parked_look_ms=NOW_MS + 60_000), CONTEXT)
    assert said.startswith("1 event is set aside for a newer release")
    assert said.endswith("looked at again in 1 min.")


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("25006", "25006: read-only"),
        ("53100", "53100: its disk is full"),
        ("ConnectionRefusedError", "ConnectionRefusedError"),
    ],
)
def test_an_open_circuit_is_told_with_its_cause_before_the_place_in_line(why: str, words: str) -> None:
    (said,) = told_in_line(circuits=[circuit(why)])
    assert said.startswith(f"Workers are stopped: postgres has been unavailable for 10 min ({words})")
    assert said.endswith("resume by themselves; the next try is in 12 s.")


def test_workers_that_come_back_are_told_as_such() -> None:
    assert told_in_line(circuits=[circuit(recovering=True)]) == [
        "Workers resume one after the other: postgres was unavailable (25006: read-only)."
    ]


def test_mail_that_nobody_is_there_for_says_so() -> None:
    assert told_in_line(workers=0) == ["No worker is running: nothing is processed until one is started."]


def test_parked_mail_waits_for_its_customer_and_not_for_workers() -> None:
    (said,) = describe_mailbox(view(parked_total=1), replace(CONTEXT, circuits=[circuit()], workers=0))
    assert said.startswith("1 event is waiting for")


@pytest.mark.parametrize(
    ("versions", "idle_seconds", "said"),
    [
        ({}, None, "none running"),
        ({"1.0": 1}, None, "1 worker (version 1.0), no events processed yet"),
        ({"1.0": 2}, 3.0, "2 workers (version 1.0), last processed 3 s ago"),
        ({"1.0": 1, "2.0": 2}, 0.2, "3 workers (1 of 1.0, 2 of 2.0), last processed just now"),
    ],
)
def test_workers_are_told_in_a_line(versions: dict[str, int], idle_seconds: float, said: str) -> None:
    assert describe_workers(versions, idle_seconds) == said


def test_the_dead_are_not_counted_but_what_they_settled_last_is_remembered() -> None:
    seen = workforce(worker(0, took_ms=None), worker(1, is_alive=False, took_ms=NOW_MS - 9_000))
    assert (seen.alive, seen.idle_seconds) == (1, 9)
