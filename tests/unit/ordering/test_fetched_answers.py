"""Stripe's answers together with its events: R10, and the answer as a queued event."""

from __future__ import annotations

import json
from itertools import permutations

import pytest

from cogento.events.errors import PermanentError
from cogento.events.event import Event, read_event
from cogento.events.fetched import fetched_event_body
from cogento.events.kinds.customer import CustomerColumns
from cogento.events.names import EventId
from cogento.ordering.evidence import Evidence, pack, record_of, unpack
from cogento.ordering.order import LAG_SECONDS, CurrentRow, Version, decide
from tests.support.builders import NOW, Json, customer, deleted_customer, event_body, subscription
from tests.support.model.deliveries import Row, one_by_one, row_after, rows_of_every_order, steps
from tests.support.model.histories import columns, version

ACTIVATED = version("evt_1", NOW, "active", "incomplete")


def answer(second: int, state: str, id_: str = "evt_fetched") -> Version:
    return version(id_, NOW + second, state, fetched=True)


def only(*versions: Version) -> Row:
    (row,) = rows_of_every_order(versions)
    return row


def fetched(sent: Json, *, at: int = NOW) -> Event:
    return read_event(
        fetched_event_body(json.dumps(sent).encode(), fetched_at=at, api_version="2026-06-24.dahlia")
    )


def test_an_answer_that_agrees_is_shown_and_sure() -> None:
    row = only(ACTIVATED, answer(4, "active"))

    assert (row.last_event_id, row.sure) == ("evt_fetched", True)


def test_an_answer_that_no_event_told_of_is_believed() -> None:
    row = only(ACTIVATED, answer(4, "past_due"))

    assert (row.last_event_id, row.sure) == ("evt_fetched", True)


def test_an_answer_that_shows_what_was_just_left_keeps_the_row_and_makes_it_unsure() -> None:
    row = only(ACTIVATED, answer(4, "incomplete"))

    assert (row.last_event_id, row.sure) == ("evt_1", False)


def test_several_outdated_answers_are_none() -> None:
    row = only(ACTIVATED, answer(4, "incomplete", "evt_f1"), answer(9, "incomplete", "evt_f2"))

    assert (row.last_event_id, row.sure) == ("evt_1", False)


def test_the_answer_after_an_outdated_one_settles_the_doubt() -> None:
    row = only(ACTIVATED, answer(4, "incomplete", "evt_f1"), answer(9, "active", "evt_f2"))

    assert (row.last_event_id, row.sure) == ("evt_f2", True)


def test_what_stripe_still_says_after_a_minute_is_believed_against_the_events() -> None:
    row = only(ACTIVATED, answer(LAG_SECONDS + 1, "incomplete"))

    assert (row.last_event_id, row.sure) == ("evt_fetched", True)


def test_a_believed_answer_is_the_state_before_what_comes_later() -> None:
    there = version("evt_2", NOW + 200, "active", "incomplete")
    back = version("evt_3", NOW + 200, "incomplete", "active")

    row = only(ACTIVATED, answer(LAG_SECONDS + 1, "incomplete"), there, back)

    assert (row.columns, row.sure) == (columns("incomplete"), True)


def test_an_answer_becomes_true_again_when_the_way_back_to_it_is_told() -> None:
    back = version("evt_2", NOW + 6, "incomplete", "active")

    row = only(ACTIVATED, answer(8, "incomplete"), back)

    assert (row.last_event_id, row.sure) == ("evt_fetched", True)


def test_an_answer_never_beats_a_later_event() -> None:
    row = only(answer(4, "active"), version("evt_2", NOW + 9, "paused", "active"))

    assert (row.last_event_id, row.sure) == ("evt_2", True)


def test_an_answer_of_a_minute_later_settles_there_and_back() -> None:
    there, back = version("evt_1", NOW, "b", "a"), version("evt_2", NOW, "a", "b")
    settling = answer(LAG_SECONDS + 1, "b")

    assert {row_after([*order]) for order in permutations([[there], [back], [settling]])} == {
        only(there, back, settling)
    }
    assert only(there, back, settling).sure


@pytest.mark.parametrize("shown", ["a", "b"])
def test_of_there_and_back_an_earlier_answer_chooses_what_the_unsure_row_shows(shown: str) -> None:
    there, back = version("evt_1", NOW, "b", "a"), version("evt_2", NOW, "a", "b")

    row = only(there, back, answer(4, shown))

    assert (row.columns, row.sure) == (columns(shown), False)


UNLINKED = version("evt_1", NOW, "b", "a"), version("evt_2", NOW, "d", "c")
"""Two changes between which a third is missing."""


@pytest.mark.parametrize("left", ["a", "c"])
def test_where_a_link_is_missing_an_answer_that_shows_what_was_just_left_is_not_believed(left: str) -> None:
    row = only(*UNLINKED, answer(4, left))

    assert (row.columns, row.sure) in ((columns("b"), False), (columns("d"), False))


@pytest.mark.parametrize("left", ["a", "b"])
def test_a_state_that_was_left_in_an_undecided_burst_is_not_believed_although_it_may_be_the_last(
    left: str,
) -> None:
    there, back = version("evt_1", NOW, "b", "a"), version("evt_2", NOW, "a", "b")
    unlinked = version("evt_3", NOW, "d", "c")

    assert not only(there, back, unlinked, answer(4, left)).sure


@pytest.mark.parametrize("end", ["b", "d"])
def test_an_answer_that_shows_an_end_which_no_event_leads_from_settles_a_missing_link(end: str) -> None:
    row = only(*UNLINKED, answer(4, end))

    assert (row.columns, row.sure) == (columns(end), True)


@pytest.mark.parametrize("left", ["a", "c"])
def test_a_missing_link_keeps_no_answer_of_a_minute_later_from_being_believed(left: str) -> None:
    row = only(*UNLINKED, answer(4, left, "evt_f1"), answer(LAG_SECONDS + 1, left, "evt_f2"))

    assert (row.last_event_id, row.sure) == ("evt_f2", True)


def test_what_was_left_more_than_a_minute_ago_is_believed_where_it_may_be_the_last() -> None:
    long_ago = version("evt_0", NOW - LAG_SECONDS, "c", "b")

    row = only(long_ago, *UNLINKED, answer(4, "b"))

    assert (row.last_event_id, row.sure) == ("evt_fetched", True)


TEN_SECONDS_APART = [version(f"evt_{n}", NOW + 10 * n, "bcdef"[n], "abcde"[n]) for n in range(5)]
"""More groups than a row remembers, within a minute."""


def test_an_answer_that_shows_what_a_forgotten_event_left_within_the_minute_is_not_believed() -> None:
    row = row_after([*one_by_one(TEN_SECONDS_APART), [answer(44, "a")]])

    assert unpack(row.evidence).newest_dropped == NOW
    assert (row.last_event_id, row.sure) == ("evt_4", False)


def test_an_answer_a_minute_after_what_is_forgotten_that_shows_no_remembered_state_is_believed() -> None:
    row = row_after([*one_by_one(TEN_SECONDS_APART), [answer(LAG_SECONDS + 1, "a")]])

    assert (row.last_event_id, row.sure) == ("evt_fetched", True)


def test_however_many_outdated_answers_come_the_event_stays_shown_until_the_minute_is_over() -> None:
    outdated = [answer(second, "incomplete", f"evt_f{second}") for second in (6, 16, 26, 36, 46, 56, 66)]

    shown = [(step.last_event_id, step.sure) for step in steps(one_by_one([ACTIVATED, *outdated]))]

    assert shown == [("evt_1", True), *[("evt_1", False)] * 6, ("evt_f66", True)]


def test_the_answers_in_a_row_that_an_earlier_release_made_forget_its_event_are_in_doubt() -> None:
    answers = [answer(second, "incomplete", f"evt_f{second}") for second in (6, 16)]
    evidence = Evidence(records=(record_of(answers[0]),), newest_dropped=NOW)
    current = CurrentRow(pack(evidence), EventId("evt_f6"), columns("incomplete"))

    decision = decide(current, [answers[1]])

    assert (decision.last_event_id, decision.sure) == ("evt_f16", False)


def test_a_customer_is_read_from_an_answer() -> None:
    event = fetched(customer("cus_7", email="ada@example.com"))

    assert (event.type, event.customer_id, event.version.fetched) == ("customer.fetched", "cus_7", True)
    assert isinstance(event.columns, CustomerColumns)
    assert event.columns.stripe_email == "ada@example.com"


def test_a_subscription_goes_to_its_customers_mailbox() -> None:
    event = fetched(subscription("sub_1", customer="cus_7"))

    assert (event.type, event.object_id, event.customer_id) == (
        "customer.subscription.fetched",
        "sub_1",
        "cus_7",
    )


@pytest.mark.parametrize("second", [-1, 0, 1, 100])
def test_the_stub_of_a_deleted_customer_ends_it_as_its_event_does(second: int) -> None:
    told = read_event(event_body("customer.deleted", customer(), id_="evt_1", created=NOW)).version
    stub = fetched(deleted_customer(), at=NOW + second).version

    row = only(told, stub)

    assert isinstance(row.columns, CustomerColumns)
    assert (row.columns.deleted, row.columns.stripe_created_at, row.sure) == (True, NOW - 1000, True)


def test_one_answer_put_twice_is_one_event_and_another_second_another() -> None:
    ids = [fetched(customer(), at=second).id for second in (NOW, NOW, NOW + 1)]

    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("sent", [{"object": "charge", "id": "ch_1"}, {"object": "customer"}, []])
def test_an_answer_about_anything_else_is_refused(sent: Json) -> None:
    with pytest.raises(PermanentError):
        fetched(sent)
