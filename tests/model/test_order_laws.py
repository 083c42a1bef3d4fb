"""The five laws of the order, on random true histories judged by the oracle.

`ORDER_HISTORIES=100000 pytest tests/model/test_order_laws.py` runs longer; so does `python -m bench.ordering`.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import evidence
from tests.model.deliveries import one_by_one, row_after, rows_of_every_order, scrambled
from tests.model.histories import random_history, with_gaps
from tests.model.trials import Trial, backward_steps, trial_of, try_history, untraceable_steps

if TYPE_CHECKING:
    from random import Random

HISTORIES = int(os.environ.get("ORDER_HISTORIES", "2000"))

dice = st.randoms(use_true_random=False)


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return [try_history(f"laws:{number}") for number in range(HISTORIES)]


@pytest.mark.timeout(0)
def test_law_1_every_delivery_ends_in_the_same_row(trials: list[Trial]) -> None:
    assert [trial.history for trial in trials if trial.diverged] == []


def test_law_2_what_the_evidence_determines_is_what_the_row_shows(trials: list[Trial]) -> None:
    assert [trial.history for trial in trials if trial.decidable and trial.is_wrong] == []


def test_law_2_without_lost_events_a_sure_row_shows_the_truth(trials: list[Trial]) -> None:
    misled = [t.history for t in trials if not (t.is_unsure or t.shows_truth or t.history.lost)]

    assert misled == []


def test_law_3_a_row_is_sure_only_where_the_evidence_determines_its_state(trials: list[Trial]) -> None:
    assert [trial.history for trial in trials if trial.is_rashly_sure] == []


def test_law_3_a_row_is_unsure_of_the_determined_only_where_it_had_to_forget(trials: list[Trial]) -> None:
    unsure = [t.history for t in trials if t.decidable and t.is_unsure and not t.has_forgotten]

    assert unsure == []


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
@settings(max_examples=300, deadline=None)
def test_law_1_and_2_hold_for_whatever_hypothesis_finds(dice: Random) -> None:
    history = random_history(dice)

    trial = trial_of(history, [scrambled(dice, history.versions), one_by_one(history.versions)])

    assert not trial.diverged
    assert not trial.is_wrong
    assert not trial.is_rashly_sure


@pytest.mark.parametrize(("groups", "members"), [(1, 64), (2, 64), (4, 3), (2, 2)])
def test_law_1_holds_however_little_is_remembered(
    groups: int, members: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "GROUPS", groups)
    monkeypatch.setattr(evidence, "MEMBERS", members)

    trials = [try_history(f"memory:{number}", deliveries=4) for number in range(300)]

    assert [trial.history for trial in trials if trial.diverged] == []
    assert [trial.history for trial in trials if trial.is_rashly_sure] == []
    assert [t.history for t in trials if t.decidable and t.is_wrong and not t.is_unsure] == []


@given(dice)
@settings(max_examples=100, deadline=None)
def test_law_1_holds_for_a_crash_and_redelivery_at_every_point(dice: Random) -> None:
    batches = scrambled(dice, random_history(dice).versions)

    rows = {row_after([*batches[:crash], *batches[max(0, crash - 2) :]]) for crash in range(len(batches) + 1)}

    assert len(rows) == 1


@given(dice)
@settings(max_examples=300, deadline=None)
def test_law_1_holds_where_events_lack_columns(dice: Random) -> None:
    history = with_gaps(random_history(dice), dice)

    assert len({row_after(scrambled(dice, history.versions)) for _ in range(3)}) == 1


@given(dice)
@settings(max_examples=25, deadline=None)
def test_f47_every_permutation_of_six_events_ends_in_the_same_row(dice: Random) -> None:
    assert len(rows_of_every_order(random_history(dice).versions[-6:])) == 1


@given(dice)
@settings(max_examples=300, deadline=None)
def test_law_4_the_row_shows_its_events_snapshot_and_every_event_has_its_reason(dice: Random) -> None:
    assert untraceable_steps(scrambled(dice, random_history(dice).versions)) == []


@given(dice)
@settings(max_examples=200, deadline=None)
def test_law_5_no_step_goes_back_to_a_state_known_to_be_older(dice: Random) -> None:
    assert backward_steps(scrambled(dice, random_history(dice).versions)) == []
