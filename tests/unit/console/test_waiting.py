"""What a mailbox waits for, as people are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from console.waiting import tell_mailbox
from events.names import CustomerId, EventId
from mailboxes.mail import Source
from mailboxes.status import Listed, MailboxState, MailboxView

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


def view(**fields: Any) -> MailboxView:
    values = {name: getattr(EMPTY, name) for name in EMPTY.__slots__}
    return MailboxView(**values | fields)


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
    told = tell_mailbox(view(waiting_total=2, state=state, state_ms=at), now_ms=NOW_MS, halted=False)
    assert told == [said]


def test_sleeping_mail_names_the_event_that_failed_and_how_often() -> None:
    asleep = view(waiting_total=1, state=MailboxState.SLEEPING, state_ms=NOW_MS + 30_000, waiting=(FAILED,))
    assert tell_mailbox(asleep, now_ms=NOW_MS, halted=False) == [
        "1 event is waiting, the first for 5 min: tried again in 30 s, because evt_1 failed 3 times (transient 57014)."
    ]


def test_mail_that_waits_for_another_release_says_so_and_counts_no_failure() -> None:
    put_off = replace(FAILED, attempts=0, error_class="other_release", error_code=None)
    asleep = view(waiting_total=1, state=MailboxState.SLEEPING, state_ms=NOW_MS + 30_000, waiting=(put_off,))
    assert tell_mailbox(asleep, now_ms=NOW_MS, halted=False) == [
        "1 event is waiting, the first for 5 min: tried again in 30 s, because evt_1 was put off (other_release)."
    ]


def test_parked_mail_says_when_it_is_looked_at_again() -> None:
    parked = view(parked_total=1, parked_look_ms=NOW_MS + 120_000)
    assert tell_mailbox(parked, now_ms=NOW_MS, halted=False) == [
        "1 event is parked until the customer's own event arrives; looked at again in 2 min."
    ]


def test_pause_is_told_with_the_command_that_ends_it() -> None:
    told = tell_mailbox(view(pause_wanted=True), now_ms=NOW_MS, halted=False)
    assert told == ["Paused by an operator: `cogento resume cus_1` lets it go on."]


def test_crashes_are_told() -> None:
    told = tell_mailbox(view(crashes=1), now_ms=NOW_MS, halted=False)
    assert told == ["Workers have died once in a row with this customer in hand."]


def test_empty_mailbox_says_nothing() -> None:
    assert tell_mailbox(EMPTY, now_ms=NOW_MS, halted=True) == []


def test_leased_mail_names_the_worker_that_has_it() -> None:
    leased = view(waiting_total=1, state=MailboxState.LEASED, state_ms=NOW_MS + 9_000, owner="host:7")
    assert tell_mailbox(leased, now_ms=NOW_MS, halted=False) == [
        "1 event is waiting: worker host:7 has them in hand, for 9 s more at most."
    ]


def test_mail_that_failed_and_is_in_line_again_says_both() -> None:
    again = view(waiting_total=1, state=MailboxState.READY, state_ms=NOW_MS, waiting=(FAILED,))
    assert tell_mailbox(again, now_ms=NOW_MS, halted=False) == [
        "1 event is waiting, the first for 5 min: in line for a worker for 0 ms.",
        "Earlier, evt_1 failed 3 times (transient 57014).",
    ]


def test_mail_of_a_newer_release_is_not_said_to_wait_for_its_customer() -> None:
    newer = replace(FAILED, received_ms=None, source=None)
    (said,) = tell_mailbox(
        view(parked_total=1, parked=(newer,), parked_look_ms=NOW_MS + 60_000), now_ms=NOW_MS, halted=False
    )
    assert said.startswith("1 event is set aside for a newer release")
    assert said.endswith("looked at again in 1 min.")
