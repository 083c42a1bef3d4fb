"""The five laws of the order, on random true histories judged by the oracle, and on half as many in whole objects.

Of the mutants in test_rule_mutations.py, the one that is found last takes 122 histories, and 37 in whole objects. Hypothesis
tries fewer histories, because it takes ten times as long for each, and shrinks them. `ORDER_HISTORIES=100000 pytest
tests/model/test_order_laws.py` runs longer; so does `python -m bench.ordering`.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cogento.ordering import memory
from tests.support.model.deliveries import one_by_one, row_after, scrambled, shuffled
from tests.support.model.histories import random_history, with_gaps
from tests.support.model.monotony import backward_steps, regressions, strayed_steps
from tests.support.model.rendering import rendered_history
from tests.support.model.trials import Trial, trial_of, try_history, try_rendered, untraceable_steps

if TYPE_CHECKING:
    from random import Random

HISTORIES = int(os.environ.get("ORDER_HISTORIES", "600"))

dice = st.randoms(use_true_random=False)


@pytest.fixture(scope="module", params=["events", "bodies"])
def trials(request: pytest.FixtureRequest) -> list[Trial]:
    if request.param == "bodies":
        return [try_rendered(f"laws:{number}") for number in range(HISTORIES // 2)]
    return [try_history(f"laws:{number}") for number in range(HISTORIES)]


@pytest.mark.timeout(0)
def test_law_1_every_delivery_ends_in_the_same_row(trials: list[Trial]) -> None:
    assert [trial.history for trial in trials if trial.diverged] == []


def test_law_2_what_the_evidence_determines_is_what_the_row_shows(trials: list[Trial]) -> None:
    assert [trial.history for trial in trials if trial.decidable and trial.is_wrong] == []


def test_law_2_without_lost_events_a_sure_row_shows_the_truth(trials: list[Trial]) -> None:
    assert [trial.history for trial in trials if trial.is_misled] == []


def test_law_3_a_row_is_sure_only_where_the_evidence_determines_its_state(trials: list[Trial]) -> None:
    assert [trial.history for trial in trials if trial.is_rashly_sure] == []


def test_law_3_a_row_is_unsure_of_the_determined_only_where_it_had_to_forget(trials: list[Trial]) -> None:
    assert [trial.history for trial in trials if trial.is_needlessly_unsure] == []


def test_the_histories_are_hard(trials: list[Trial]) -> None:
    counts = Counter(
        decidable=sum(trial.decidable for trial in trials),
        lossy=sum(trial.history.lost > 0 for trial in trials),
        ended=sum(trial.history.versions[-1].terminal for trial in trials),
    )

    assert len(trials) * 0.9 < counts["decidable"] < len(trials)
    assert counts["lossy"] > len(trials) * 0.04
    assert counts["ended"] > len(trials) * 0.15


@given(dice)
@settings(max_examples=80)
def test_laws_1_to_3_hold_for_whatever_hypothesis_finds(dice: Random) -> None:
    history = random_history(dice)

    trial = trial_of(history, [scrambled(dice, history.versions), one_by_one(history.versions)])

    assert trial.broken == []


@given(dice)
@settings(max_examples=50)
def test_laws_1_to_3_hold_for_whatever_bodies_hypothesis_finds(dice: Random) -> None:
    told = rendered_history(dice)

    trial = trial_of(told.meant, [shuffled(dice, told.copies), one_by_one(told.copies)])

    assert trial.broken == []


@pytest.mark.parametrize(("groups", "members"), [(1, 64), (2, 64), (4, 3), (2, 2)])
def test_law_1_holds_however_little_is_remembered(
    groups: int, members: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MAX_GROUPS", groups)
    monkeypatch.setattr(memory, "MAX_RECORDS", members)

    trials = [try_history(f"memory:{number}", deliveries=4) for number in range(150)]

    assert [trial.history for trial in trials if trial.diverged] == []
    assert [trial.history for trial in trials if trial.is_rashly_sure] == []
    assert [t.history for t in trials if t.decidable and t.is_wrong and not t.is_unsure] == []


@given(dice)
@settings(max_examples=80)
def test_law_1_holds_where_events_lack_columns(dice: Random) -> None:
    history = with_gaps(random_history(dice), dice)

    assert len({row_after(scrambled(dice, history.versions)) for _ in range(3)}) == 1


@given(dice)
@settings(max_examples=80)
def test_law_4_the_row_shows_its_events_snapshot_and_every_event_has_its_reason(dice: Random) -> None:
    assert untraceable_steps(scrambled(dice, random_history(dice).versions)) == []


@given(dice)
@settings(max_examples=30)
def test_law_4_holds_for_bodies(dice: Random) -> None:
    assert untraceable_steps(shuffled(dice, rendered_history(dice).copies)) == []


@given(dice)
@settings(max_examples=50)
def test_law_5_no_step_goes_back_to_a_state_known_to_be_older(dice: Random) -> None:
    assert backward_steps(scrambled(dice, random_history(dice).versions)) == []


@given(dice)
@settings(max_examples=30)
def test_law_5_holds_for_bodies(dice: Random) -> None:
    told = rendered_history(dice)

    assert backward_steps(shuffled(dice, told.copies), told.meant.versions) == []


@given(dice)
@settings(max_examples=80)
def test_law_5_no_step_goes_back_to_an_event_that_the_two_events_alone_show_to_be_older(dice: Random) -> None:
    assert regressions(scrambled(dice, random_history(dice).versions)) == []


@given(dice)
@settings(max_examples=80)
def test_law_5_a_row_told_in_true_order_is_never_sure_of_what_is_not_true(dice: Random) -> None:
    history = random_history(dice)
    assume(not history.lost)

    assert strayed_steps(history) == []
