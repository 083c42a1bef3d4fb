"""What a mailbox waits for, as people are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cogento.console.waiting import QueueContext, describe_mailbox
from cogento.events.names import CustomerId, EventId
from cogento.queue.circuit import Dependency, OpenCircuit
from cogento.queue.mail import Source
from cogento.queue.status import Listed, MailboxState, MailboxView

NOW_MS = 1_000_000_000
EMPTY = MailboxView(
    customer_id=CustomerId("cus_1"),
    state=None,
    state_ms=None,
    owner=None,
    pause_wanted=False,
    crashes=0,
    parked_look_ms=None,
    waiting_total=0,
    parked_total=0,
    waiting=(),
    parked=(),
)
FAILED = Listed(EventId("evt_1"), 1, NOW_MS - 300_000, Source.WEBHOOK, 3, 1, "transient", "57014")


OFFICE = QueueContext(now_ms=NOW_MS, halted=False, circuits=(), workers=1)
READY = MailboxState.READY


def view(**fields: Any) -> MailboxView:
    values = {name: getattr(EMPTY, name) for name in EMPTY.__slots__}
    return MailboxView(**values | fields)


def circuit(why: str = "25006", *, recovering: bool = False) -> OpenCircuit:
    return OpenCircuit(Dependency.POSTGRES, NOW_MS - 600_000, why, recovering, NOW_MS + 12_000)


def told_in_line(**office: Any) -> list[str]:
    """What is told first of mail that is in line for a worker."""
    *first, in_line = describe_mailbox(
        view(waiting_total=1, state=READY, state_ms=NOW_MS), replace(OFFICE, **office)
    )
    assert in_line == "1 event is waiting: in line for a worker for 0 ms."
    return first


@pytest.mark.parametrize(
    ("state", "at", "said"),
    [
        (MailboxState.READY, NOW_MS - 3_000, "2 events are waiting: in line for a worker for 3 s."),
        (
            MailboxState.LEASED,
            NOW_MS + 9_000,
            "2 events are waiting: a worker has them in hand, for 9 s more at most.",
        ),
        (MailboxState.PAUSED, NOW_MS - 60_000, "2 events are waiting: held for 1 min."),
    ],
)
def test_waiting_mail_says_what_it_waits_for(state: MailboxState, at: int, said: str) -> None:
    told = describe_mailbox(view(waiting_total=2, state=state, state_ms=at), OFFICE)
    assert told == [said]


def test_sleeping_mail_names_the_event_that_failed_and_how_often() -> None:
    asleep = view(waiting_total=1, state=MailboxState.SLEEPING, state_ms=NOW_MS + 30_000, waiting=(FAILED,))
    assert describe_mailbox(asleep, OFFICE) == [
        "1 event is waiting, the first for 5 min: tried again in 30 s, because evt_1 failed 3 times (transient 57014)."
    ]


def test_mail_that_waits_for_another_release_says_so_and_counts_no_failure() -> None:
    put_off = replace(FAILED, attempts=0, error_class="other_release", error_code=None)
    asleep = view(waiting_total=1, state=MailboxState.SLEEPING, state_ms=NOW_MS + 30_000, waiting=(put_off,))
    assert describe_mailbox(asleep, OFFICE) == [
        "1 event is waiting, the first for 5 min: tried again in 30 s, because evt_1 was put off (other_release)."
    ]


def test_parked_mail_says_when_it_is_looked_at_again() -> None:
    parked = view(parked_total=1, parked_look_ms=NOW_MS + 120_000)
    assert describe_mailbox(parked, OFFICE) == [
        "1 event is parked until the customer's own event arrives; looked at again in 2 min."
    ]


def test_pause_is_told_with_the_command_that_ends_it() -> None:
    told = describe_mailbox(view(pause_wanted=True), OFFICE)
    assert told == ["Paused by an operator: `cogento resume cus_1` lets it go on."]


def test_crashes_are_told() -> None:
    told = describe_mailbox(view(crashes=1), OFFICE)
    assert told == ["Workers have died once in a row with this customer in hand."]


def test_empty_mailbox_says_nothing() -> None:
    assert describe_mailbox(EMPTY, replace(OFFICE, halted=True, circuits=[circuit()], workers=0)) == []


def test_leased_mail_names_the_worker_that_has_it() -> None:
    leased = view(waiting_total=1, state=MailboxState.LEASED, state_ms=NOW_MS + 9_000, owner="host:7")
    assert describe_mailbox(leased, OFFICE) == [
        "1 event is waiting: worker host:7 has them in hand, for 9 s more at most."
    ]


def test_mail_that_failed_and_is_in_line_again_says_both() -> None:
    again = view(waiting_total=1, state=MailboxState.READY, state_ms=NOW_MS, waiting=(FAILED,))
    assert describe_mailbox(again, OFFICE) == [
        "1 event is waiting, the first for 5 min: in line for a worker for 0 ms.",
        "Earlier, evt_1 failed 3 times (transient 57014).",
    ]


def test_mail_of_a_newer_release_is_not_said_to_wait_for_its_customer() -> None:
    newer = replace(FAILED, received_ms=None, source=None)
    (said,) = describe_mailbox(view(parked_total=1, parked=(newer,), parked_look_ms=NOW_MS + 60_000), OFFICE)
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
    assert said.startswith(f"Workers take no mail: they have waited for postgres for 10 min ({words})")
    assert said.endswith("go on by themselves; it is tried again in 12 s.")


def test_workers_that_come_back_are_told_as_such() -> None:
    assert told_in_line(circuits=[circuit(recovering=True)]) == [
        "Workers come back one after the other: postgres was away (25006: read-only)."
    ]


def test_mail_that_nobody_is_there_for_says_so() -> None:
    assert told_in_line(workers=0) == ["No worker takes work: nothing goes on until one is started."]


def test_parked_mail_waits_for_its_customer_and_not_for_workers() -> None:
    (said,) = describe_mailbox(view(parked_total=1), replace(OFFICE, circuits=[circuit()], workers=0))
    assert said.startswith("1 event is parked")
