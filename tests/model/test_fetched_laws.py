"""The laws with fetched states among the events: mixed in anywhere, in any order, some of them outdated."""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cogento.ordering.order import LAG_SECONDS
from tests.support.model.deliveries import row_after, scrambled
from tests.support.model.histories import (
    History,
    excerpt,
    random_history,
    with_answers,
    with_outdated_answers,
)
from tests.support.model.trials import Trial, trial_of, untraceable_steps

if TYPE_CHECKING:
    from tests.support.model.deliveries import Row

HISTORIES = int(os.environ.get("ORDER_HISTORIES", "300"))

dice = st.randoms(use_true_random=False)


def asked(seed: str) -> Trial:
    dice = Random(seed)
    history = with_answers(random_history(dice))
    return trial_of(history, [scrambled(dice, history.versions) for _ in range(4)])


def rows(history: History, dice: Random) -> set[Row]:
    return {row_after(scrambled(dice, history.versions)) for _ in range(4)}


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return [asked(f"fetched:{number}") for number in range(HISTORIES)]


def test_law_1_fetched_states_end_in_the_same_row_in_every_order(trials: list[Trial]) -> None:
    assert [trial.history for trial in trials if trial.diverged] == []


def test_laws_2_and_3_true_answers_lead_no_row_away_from_the_truth(trials: list[Trial]) -> None:
    whole = [trial for trial in trials if not trial.history.lost]

    assert [trial.history for trial in whole if trial.decidable and trial.is_wrong] == []
    assert [trial.history for trial in whole if trial.is_rashly_sure] == []
    assert [t.history for t in whole if not (t.is_unsure or t.shows_truth)] == []


def test_law_3_what_lost_events_hide_and_an_answer_shows_is_never_sure_and_wrong(trials: list[Trial]) -> None:
    rash = [t.history for t in trials if t.decidable and t.is_wrong and not t.is_unsure]

    assert rash == []


@given(dice)
@settings(max_examples=50)
def test_law_1_holds_for_outdated_answers_too(dice: Random) -> None:
    history = with_outdated_answers(with_answers(random_history(dice)), dice)

    assert len(rows(history, dice)) == 1


def is_misled(seed: str) -> bool:
    """Whether outdated answers make a row sure of a state that is not the last, although every event was delivered."""
    dice = Random(seed)
    told = excerpt(random_history(dice), dice, most=dice.choice((2, 3, 4, 20)))

    (row,) = rows(with_outdated_answers(told, dice), dice)

    return not told.lost and row.sure and row.columns != told.truth


def test_an_outdated_answer_never_makes_a_row_sure_of_what_was_left() -> None:
    assert [seed for seed in map("outdated:{}".format, range(HISTORIES)) if is_misled(seed)] == []


@given(dice)
@settings(max_examples=50)
def test_an_answer_of_a_minute_later_ends_every_doubt(dice: Random) -> None:
    told = random_history(dice)
    asked_again = with_outdated_answers(told, dice)
    last = max(version.created for version in asked_again.versions)
    answer = replace(
        told.versions[-1], event_id="evt_settling", created=last + LAG_SECONDS + 1, before=None, fetched=True
    )

    row = row_after([*scrambled(dice, asked_again.versions), [answer]])

    assert (row.columns, row.sure) == (told.truth, True)


@given(dice)
@settings(max_examples=80)
def test_law_4_an_answer_has_its_reason_as_every_event_has(dice: Random) -> None:
    history = with_outdated_answers(with_answers(random_history(dice)), dice)

    assert untraceable_steps(scrambled(dice, history.versions)) == []
