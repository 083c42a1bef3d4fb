"""Law 5, checked in three ways: by the oracle, by pairs of events, and by what truly happened."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from cogento.events.versions import STAMP_JITTER, Lifecycle, Version
from tests.support.model.deliveries import one_by_one, steps
from tests.support.model.oracle import judge
from tests.support.model.trials import state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.model.deliveries import Batch
    from tests.support.model.histories import History


def backward_steps(batches: Sequence[Batch], meant: Sequence[Version] = ()) -> list[str]:
    """The events that a delivery showed although the events seen until then prove that they were not the last."""
    meaning = {version.event_id: version for version in meant}
    seen: list[Version] = []
    backward = []
    for batch, decision in zip(batches, steps(batches), strict=True):
        seen += [meaning.get(version.event_id, version) for version in batch]
        opinion = judge(seen)
        if opinion.rules_out(state_of(decision, seen)) or (decision.sure and not opinion.decidable):
            backward.append(str(decision.last_event_id))
    return backward


def regressions(batches: Sequence[Batch]) -> list[tuple[str, str]]:
    """The steps from an event to one that is older by the evidence of these two alone."""
    event = {version.event_id: version for batch in batches for version in batch}
    shown = [event[decision.last_event_id] for decision in steps(batches)]
    return [(one.event_id, other.event_id) for one, other in pairwise(shown) if is_older(other, one)]


def is_older(one: Version, other: Version) -> bool:
    """Tell whether an end, a creation, or more seconds than a stamp can be late put one before the other."""
    is_seconds_older = one.created + STAMP_JITTER < other.created
    if one.terminal or other.terminal:
        return other.terminal and (not one.terminal or is_seconds_older)
    if Lifecycle.CREATED in {one.lifecycle, other.lifecycle}:
        return other.lifecycle is not Lifecycle.CREATED
    return is_seconds_older


def strayed_steps(history: History) -> list[str]:
    """The events after which a row, given the events in true order, was sure of a state that was not the true one of that moment."""
    moments = zip(history.versions, steps(one_by_one(history.versions)), strict=True)
    return [now.event_id for now, row in moments if row.sure and row.columns != now.columns]
