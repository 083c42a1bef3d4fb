"""The random histories contain everything known of Stripe: a law is not tested on what they never contain."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from cogento.events.versions import STAMP_JITTER
from tests.support.model.dressing import tell_one_change
from tests.support.model.histories import random_history
from tests.support.model.rendering import Rendered, rendered_history

LIVES = 200


def lives() -> list[Rendered]:
    return [rendered_history(Random(number)) for number in range(LIVES)]


def falls(told: Rendered) -> list[tuple[int, ...]]:
    """Give the counts that are lower than the one before them, whether of invoices or of a period's start."""
    counts = [version.growing for version in told.meant.versions if version.growing]
    return [later for earlier, later in pairwise(counts) if later < earlier]


def test_what_mostly_grows_also_falls() -> None:
    assert len([told for told in lives() if falls(told)]) > LIVES // 50


def test_one_change_is_told_in_two_events_a_second_apart_at_most() -> None:
    pairs = [pair for told in lives() for pair in pairwise(told.meant.versions) if tell_one_change(*pair)]

    assert len(pairs) > LIVES // 4
    assert {other.created - one.created for one, other in pairs} == {0, 1}
    assert [pair for pair in pairs if pair[0].event_id == pair[1].event_id] == []
    assert [pair for pair in pairs if pair[0].columns != pair[1].columns] == []


def test_stamps_are_late_by_up_to_the_jitter() -> None:
    histories = [random_history(Random(number)) for number in range(LIVES)]
    late = {
        event.created - second
        for history in histories
        for event, second in zip(history.versions, history.seconds, strict=True)
        if event.before is not None
    }

    assert late == set(range(STAMP_JITTER + 1))
