"""What waits, why, and who works on it, as people are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cogento.console.queue_messages import QueueContext, describe_mailbox, describe_workers
from cogento.events.names import CustomerId, EventId
from cogento.events.outcomes import Source
from cogento.queue.circuit import Dependency, OpenCircuit
from cogento.queue.pauses import Pause
from cogento.queue.status import Listed, MailboxState, MailboxView
from tests.support.figures import NOW_MS, worker, workforce

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
def test_waiting_events_say_what_they_wait_for(state: MailboxState, at: int, said: str) -> None:
    told = describe_mailbox(view(waiting_total=2, state=state, state_ms=at), CONTEXT)
    assert told == [said]


def test_sleeping_mailbox_names_the_event_that_failed_and_how_often() -> None:
    asleep = view(waiting_total=1, state=MailboxState.SLEEPING, state_ms=NOW_MS + 30_000, waiting=(FAILED,))
    assert describe_mailbox(asleep, CONTEXT) == [
        "1 event is waiting, the first for 5 min: tried again in 30 s, because evt_1 failed 3 times (transient 57014)."
    ]


def test_events_that_wait_for_another_release_say_so_and_count_no_failure() -> None:
    put_off = replace(FAILED, attempts=0, error_class="other_release", error_code=None)
    asleep = view(waiting_total=1, state=MailboxState.SLEEPING, state_ms=NOW_MS + 30_000, waiting=(put_off,))
    assert describe_mailbox(asleep, CONTEXT) == [
        "1 event is waiting, the first for 5 min: tried again in 30 s, because evt_1 was postponed (other_release)."
    ]


def test_parked_events_say_when_they_are_looked_at_again() -> None:
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


def test_leased_mailbox_names_the_worker_that_has_it() -> None:
    leased = view(waiting_total=1, state=MailboxState.LEASED, state_ms=NOW_MS + 9_000, owner="host:7")
    assert describe_mailbox(leased, CONTEXT) == [
        "1 event is waiting: worker host:7 is processing them (lease ends in 9 s)."
    ]


def test_events_that_failed_and_are_in_line_again_say_both() -> None:
    again = view(waiting_total=1, state=MailboxState.READY, state_ms=NOW_MS, waiting=(FAILED,))
    assert describe_mailbox(again, CONTEXT) == [
        "1 event is waiting, the first for 5 min: queued for 0 ms.",
        "Earlier, evt_1 failed 3 times (transient 57014).",
    ]


def test_events_of_a_newer_release_are_not_said_to_wait_for_their_customer() -> None:
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


def test_events_that_no_worker_is_there_for_say_so() -> None:
    assert told_in_line(workers=0) == ["No worker is running: nothing is processed until one is started."]


def test_parked_events_wait_for_their_customer_and_not_for_workers() -> None:
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
