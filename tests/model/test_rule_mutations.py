"""Every rule is needed: switched off, it makes the test of a law fail.

rule switched off          what fails
R0  once                   law 1: a redelivery counts as a second change
R1  ends absorb            law 2: a late update brings a canceled subscription back
R2  creation first         law 2: a creation stamped late overwrites what came after
R3  seconds                law 3: what seconds decide is in doubt
R4  walks                  law 3: what the evidence determines is in doubt
R5  edges before sightings the case of the unlinked sighting
R6  fewest breaks          law 5: a row shows what is known to be older
R7  growth                 law 2: of two ends the one that has not grown is shown
R8  greatest               the case of there and back, first seen so
R9  memory                 law 2: a link that comes late finds nothing to link to
R10 outdated answers       the case of a copy that lags behind
gaps are filled            law 1: the row depends on who came first
the short path's condition law 2: the newest delivery wins
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from events import evidence, fetched, ordering, rules, snapshots, walks
from tests.model import test_order_laws as laws
from tests.model.trials import Trial, try_history
from tests.unit.events import test_fetched as fetched_cases
from tests.unit.events import test_ordering as cases
from tests.unit.events import test_snapshots as gap_cases

if TYPE_CHECKING:
    from collections.abc import Callable

Off = tuple[object, str, object]

R0_COUNTS_TWICE = (ordering, "unseen", lambda _, versions: {v.event_id: v for v in versions})
R1_NEVER_ENDS = (rules, "ends_life", lambda _: False)
R2_NEVER_BEGINS = (rules, "begins_life", lambda _: False)
R3_SECONDS_SAY_NOTHING = (rules, "is_seconds_earlier", lambda *_: False)
R4_NO_WALKS = (walks.Walk, "unbroken_ends", lambda *_: walks.NO_STATES)
R5_ALL_ALIKE = (rules, "edges_first", lambda candidates: candidates)
R6_NO_FEWEST = (walks.Walk, "least_broken_ends", lambda *_: walks.NO_STATES)
R7_NOTHING_GROWS = (rules, "has_grown", lambda *_: False)
R8_LEAST = (rules, "greatest", lambda candidates: min(candidates, key=rules.age))
R9_ONE_GROUP = (evidence, "GROUPS", 1)
R10_ALWAYS_BELIEVED = (fetched, "is_outdated", lambda *_: False)
NO_GAPS = (snapshots, "FILLED", dict.fromkeys(snapshots.FILLED, ()))
ALWAYS_SHORT = (ordering, "is_plainly_last", lambda *_: True)


def mutated_trials() -> list[Trial]:
    return [try_history(f"mutations:{number}", deliveries=3) for number in range(600)]


@pytest.mark.parametrize(
    ("off", "law"),
    [
        (R0_COUNTS_TWICE, laws.test_law_1_every_delivery_ends_in_the_same_row),
        (R1_NEVER_ENDS, laws.test_law_2_what_the_evidence_determines_is_what_the_row_shows),
        (R2_NEVER_BEGINS, laws.test_law_2_what_the_evidence_determines_is_what_the_row_shows),
        (
            R3_SECONDS_SAY_NOTHING,
            laws.test_law_3_a_row_is_unsure_of_the_determined_only_where_it_had_to_forget,
        ),
        (R4_NO_WALKS, laws.test_law_3_a_row_is_unsure_of_the_determined_only_where_it_had_to_forget),
        (R7_NOTHING_GROWS, laws.test_law_3_a_row_is_unsure_of_the_determined_only_where_it_had_to_forget),
        (R9_ONE_GROUP, laws.test_law_2_what_the_evidence_determines_is_what_the_row_shows),
        (ALWAYS_SHORT, laws.test_law_2_what_the_evidence_determines_is_what_the_row_shows),
    ],
    ids=["R0", "R1", "R2", "R3", "R4", "R7", "R9", "short path"],
)
def test_without_the_rule_a_law_breaks(
    off: Off, law: Callable[[list[Trial]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*off)

    with pytest.raises((AssertionError, LookupError)):
        law(mutated_trials())


@pytest.mark.parametrize(
    ("off", "case"),
    [
        (R5_ALL_ALIKE, cases.test_a_sighting_that_nothing_links_does_not_beat_an_edge_and_is_in_doubt),
        (R6_NO_FEWEST, cases.test_of_unlinked_events_the_one_that_starts_at_the_anchor_comes_first),
        (R8_LEAST, cases.test_there_and_back_first_seen_so_is_undecidable_and_the_same_everywhere),
        (
            R10_ALWAYS_BELIEVED,
            fetched_cases.test_an_answer_that_shows_what_was_just_left_keeps_the_row_and_makes_it_unsure,
        ),
        (NO_GAPS, gap_cases.test_the_newest_event_that_carries_a_value_fills_the_gap),
    ],
    ids=["R5", "R6", "R8", "R10", "gaps"],
)
def test_without_the_rule_a_case_breaks(
    off: Off, case: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*off)

    with pytest.raises(AssertionError):
        case()
