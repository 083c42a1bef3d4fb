"""What needs attention, and in which order."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from cogento.console.attention import Area, Attention, Seen, Tone, Verdict, judge
from cogento.events.names import CustomerId, EventId
from cogento.queue.durability import AckDurability
from cogento.queue.pauses import Pause
from cogento.queue.waiting import WaitingCustomer, WaitingPage, WaitingState
from cogento.store.letter_records import LetterGroup
from tests.support.figures import (
    NOW_MS,
    SERVER,
    SWEPT,
    letters,
    queue_figures,
    table_figures,
    worker,
    workforce,
)

MINUTE_MS = 60_000
CALM = Seen(queue=queue_figures(), tables=table_figures())
DIED = dt.datetime.fromtimestamp(NOW_MS / 1000, dt.UTC)


def row(state: WaitingState, **fields: Any) -> WaitingCustomer:
    base = WaitingCustomer(
        customer_id=CustomerId("cus_1"),
        state=state,
        events=1,
        oldest_ms=NOW_MS - 9 * MINUTE_MS,
        event_id=EventId("evt_1"),
        since_ms=None,
        next_ms=None,
        why="",
        who="",
        owner=None,
        failed_event_id=None,
        attempts=0,
        crashes=0,
        pause_wanted=False,
    )
    return replace(base, **fields)


def waiting(*rows: WaitingCustomer, everything: Pause | None = None, **unlisted: int) -> WaitingPage:
    counts = {
        state: sum(one.state is state for one in rows) + unlisted.get(state.value, 0)
        for state in WaitingState
    }
    return WaitingPage(rows, counts, everything, NOW_MS)


def cause(count: int, fingerprint: str = "f00d") -> LetterGroup:
    return LetterGroup(
        fingerprint=fingerprint,
        event_type="customer.updated",
        reason="refused",
        failure_class="permanent",
        failure_code="23514",
        constraint_name="users_refused",
        message="It violates users_refused.",
        letters=count,
        customers=count,
        removals=0,
        first_died_at=DIED,
        last_died_at=DIED,
    )


def labels(verdict: Verdict) -> list[str]:
    return [line.label for line in verdict.lines]


def only(verdict: Verdict) -> Attention:
    (line,) = verdict.lines
    return line


def test_nothing_needs_attention_where_all_is_well() -> None:
    verdict = judge(CALM)
    assert (verdict.tone, verdict.headline, verdict.lines) == (Tone.GOOD, "Everything is in sync", [])


def test_a_system_that_received_nothing_is_ready() -> None:
    quiet = replace(CALM, queue=queue_figures(received_total=0, workforce=workforce()))
    assert judge(quiet).headline == "Ready for the first event"


def test_what_is_deliberate_never_hides_what_is_wrong() -> None:
    seen = Seen(
        queue=queue_figures(waiting=80, paused=2),
        tables=table_figures(letters=(letters(108),)),
        waiting=waiting(row(WaitingState.PAUSED, events=80, who="ops-1", why="INC-7")),
        causes=[cause(108)],
    )
    verdict = judge(seen)
    assert (verdict.tone, verdict.headline) == (Tone.BAD, "2 things need attention")
    assert [(line.tone, line.label) for line in verdict.lines] == [
        (Tone.BAD, "108 letters"),
        (Tone.BUSY, "1 paused"),
    ]


def test_lines_come_in_the_order_of_urgency() -> None:
    troubled = Seen(
        queue=queue_figures(
            workforce=workforce(worker(is_alive=False)),
            waits_for={"postgres": "57P03"},
            waiting=9,
            server=None,
        ),
        tables=table_figures(letters=(letters(30, removals=1),), unsure=2),
        waiting=waiting(
            row(WaitingState.RETRYING, attempts=7, next_ms=NOW_MS + 9000, why="timeout 57014"),
            row(WaitingState.PAUSED),
            row(WaitingState.QUEUED, since_ms=NOW_MS - 10 * MINUTE_MS),
        ),
        causes=[cause(29)],
        recovered=585,
    )
    assert labels(judge(troubled)) == [
        "no promise",
        "no worker",
        "circuit open",
        "access not removed",
        "29 letters",
        "1 letter",
        "behind",
        "1 paused",
        "1 retrying",
        "585 recovered",
        "2 ambiguous",
    ]


def test_a_server_that_is_away_is_told_first_and_what_the_other_says_is_told_too() -> None:
    away = Seen(queue=None, tables=table_figures(letters=(letters(3),)))
    assert labels(judge(away)) == ["Redis", "3 letters"]
    assert (
        judge(away).lines[0].text == "Redis is unreachable. Stripe gets 503 and will retry; nothing is lost."
    )
    refused = Seen(
        queue=queue_figures(), tables=None, tables_problem="PostgreSQL refuses the password (28P01)."
    )
    assert only(judge(refused)).text.startswith(
        "PostgreSQL cannot be used: PostgreSQL refuses the password (28P01). Events are still received"
    )


def test_each_line_leads_to_the_page_that_shows_more() -> None:
    seen = replace(
        CALM,
        tables=table_figures(letters=(letters(5, removals=2),)),
        causes=[cause(5, "beef")],
        waiting=waiting(row(WaitingState.PAUSED)),
    )
    assert [(line.area, dict(line.filter)) for line in judge(seen).lines] == [
        (Area.LETTERS, {"removals": "1"}),
        (Area.LETTERS, {"fingerprint": "beef"}),
        (Area.WAITING, {"state": "paused"}),
    ]


@pytest.mark.parametrize(
    ("removals", "not_ended", "said"),
    [
        (1, {"sub_1": 1}, "1 cancellation or deletion of sub_1 could not be applied: "),
        (2, {"sub_1": 2}, "1 cancellation or deletion of sub_1 could not be applied: "),
        (5, {"sub_1": 1, "cus_2": 1}, "5 cancellations or deletions of sub_1, cus_2, 3 more could not"),
        (6, {"sub_1": 2, "cus_2": 1}, "5 cancellations or deletions of sub_1, cus_2, 3 more could not"),
        (4, {"a": 1, "b": 1, "c": 1, "d": 1}, "4 cancellations or deletions of a, b, c, 1 more could not"),
        (1, {"sub_1": 1, "sub_2": 1}, "2 cancellations or deletions of sub_1, sub_2 could not"),
        (1, {}, "1 cancellation or deletion could not be applied: "),
    ],
)
def test_what_has_ended_and_is_still_shown_is_named(
    removals: int, not_ended: dict[str, int], said: str
) -> None:
    tables = table_figures(letters=(letters(removals, removals=removals),))
    first = judge(replace(CALM, tables=tables, not_ended=not_ended)).lines[0]
    assert first.text.startswith(said)


def test_a_pause_is_told_with_who_and_why_and_what_it_holds() -> None:
    paused = waiting(
        row(WaitingState.PAUSED, events=40, who="ops-1", why="INC-7"),
        row(WaitingState.PAUSED, events=40, who="ops-1", why="INC-7", oldest_ms=NOW_MS - MINUTE_MS),
    )
    line = only(judge(replace(CALM, waiting=paused)))
    assert line.label == "2 paused"
    assert line.text == "80 events held, the oldest for 9 min; by ops-1: “INC-7”."


def test_pauses_of_several_people_and_more_than_are_named_are_told_so() -> None:
    paused = waiting(
        row(WaitingState.PAUSED, who="ops-1", why="INC-7"), row(WaitingState.PAUSED, who="ops-2"), paused=98
    )
    line = only(judge(replace(CALM, waiting=paused)))
    assert line.label == "100 paused"
    assert line.text == "2 events held, or more, the oldest for 9 min; by ops-1: “INC-7” and others."


def test_a_pause_of_everything_is_told_with_who_and_why_and_is_no_backlog() -> None:
    held = waiting(
        row(WaitingState.QUEUED, since_ms=NOW_MS - 10 * MINUTE_MS),
        everything=Pause(NOW_MS - 5 * MINUTE_MS, "ops-1", "INC-7"),
    )
    line = only(judge(replace(CALM, queue=queue_figures(everything_paused=True, waiting=3), waiting=held)))
    assert (line.tone, line.label) == (Tone.BUSY, "all paused")
    assert line.text == "Everything was paused by ops-1 5 min ago (INC-7); 3 events held."


@pytest.mark.parametrize(
    ("waited_ms", "tones"), [(1_000, []), (11_000, [Tone.BUSY]), (5 * MINUTE_MS, [Tone.BAD])]
)
def test_only_a_long_line_is_a_backlog(waited_ms: int, tones: list[Tone]) -> None:
    queued = waiting(row(WaitingState.QUEUED, since_ms=NOW_MS - waited_ms))
    assert [line.tone for line in judge(replace(CALM, waiting=queued)).lines] == tones


def test_a_customer_that_is_retried_for_long_is_no_backlog() -> None:
    retried = row(WaitingState.RETRYING, attempts=7, next_ms=NOW_MS + 9000, why="PostgresError 53100")
    old = queue_figures(sleeping=1, waiting=1, oldest_event_age_seconds=7200)
    line = only(judge(replace(CALM, queue=old, waiting=waiting(retried))))
    assert (line.tone, line.label) == (Tone.BUSY, "1 retrying")
    assert line.text == "cus_1: PostgresError 53100 (its disk is full), 7 attempts, the next in 9 s."


@pytest.mark.parametrize(("crashes", "told"), [(1, []), (2, ["crashes"])])
def test_a_customer_with_whom_workers_die_is_named(crashes: int, told: list[str]) -> None:
    leased = row(WaitingState.IN_PROGRESS, crashes=crashes)
    assert labels(judge(replace(CALM, waiting=waiting(leased)))) == told


@pytest.mark.parametrize(("waited_ms", "told"), [(9 * MINUTE_MS, []), (90 * MINUTE_MS, ["1 unknown"])])
def test_a_customer_that_never_came_is_told_after_an_hour(waited_ms: int, told: list[str]) -> None:
    parked = row(WaitingState.WAITING_FOR_CUSTOMER, oldest_ms=NOW_MS - waited_ms)
    assert labels(judge(replace(CALM, waiting=waiting(parked)))) == told


def test_a_sweep_that_is_overdue_and_a_redis_without_a_disk_are_told() -> None:
    in_memory = replace(SERVER, ack=AckDurability.MEMORY)
    seen = Seen(
        queue=queue_figures(server=in_memory),
        tables=table_figures(sweeping=replace(SWEPT, now=10_000)),
    )
    assert labels(judge(seen)) == ["in memory", "sweep overdue"]


@pytest.mark.parametrize(
    ("figures", "label", "said"),
    [
        ({"key_refused": True}, "key refused", "Stripe refuses the API key"),
        ({"bad_signatures": 1}, "bad signatures", "1 webhook was refused for the signature"),
        ({"bad_signatures": 2}, "bad signatures", "2 webhooks were refused for the signature"),
    ],
)
def test_what_a_wrong_key_or_secret_causes_is_for_the_morning(
    figures: dict[str, Any], label: str, said: str
) -> None:
    (line,) = judge(Seen(queue=queue_figures(**figures), tables=table_figures())).lines
    assert (line.tone, line.label, line.pages) == (Tone.BUSY, label, False)
    assert said in line.text


def test_other_events_go_on_unless_they_do_not() -> None:
    dead = table_figures(letters=(letters(1),))
    assert judge(replace(CALM, tables=dead)).detail == "Other events are processed normally."
    stopped = queue_figures(waits_for={"postgres": "57P03"})
    assert judge(replace(CALM, queue=stopped, tables=dead)).detail == ""
