"""Laws 1 to 3 for each way of delivery by itself: every order, every split, every repetition, every crash.

Each way is the only one in its test, so that each test can fail for its own reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.model.deliveries import (
    every_crash,
    every_order,
    every_repetition,
    every_split,
    one_by_one,
    split,
)
from tests.support.model.histories import excerpt, random_history
from tests.support.model.trials import trial_of

if TYPE_CHECKING:
    from random import Random

dice = st.randoms(use_true_random=False)


@given(dice)
@settings(max_examples=10)
def test_f47_every_permutation_of_six_events_ends_in_the_row_that_the_evidence_determines(
    dice: Random,
) -> None:
    history = excerpt(random_history(dice), dice, most=6)

    assert trial_of(history, list(every_order(history.versions))).broken == []


@given(dice)
@settings(max_examples=25)
def test_every_split_into_batches_ends_in_the_row_that_the_evidence_determines(dice: Random) -> None:
    history = excerpt(random_history(dice), dice, most=7)
    delivered = dice.sample(history.versions, len(history.versions))

    assert trial_of(history, list(every_split(delivered))).broken == []


@given(dice)
@settings(max_examples=25)
def test_every_repetition_of_an_event_leaves_the_row_as_it_is(dice: Random) -> None:
    history = excerpt(random_history(dice), dice, most=9)
    delivered = dice.sample(history.versions, len(history.versions))

    assert trial_of(history, [one_by_one(delivered), *every_repetition(delivered)]).broken == []


@given(dice)
@settings(max_examples=60)
def test_a_crash_and_redelivery_at_every_point_leaves_the_row_as_it_is(dice: Random) -> None:
    history = random_history(dice)
    batches = list(split(dice, dice.sample(history.versions, len(history.versions))))

    assert trial_of(history, [batches, *every_crash(batches)]).broken == []
