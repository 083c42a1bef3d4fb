"""What people are told of a tie."""

from __future__ import annotations

from dataclasses import replace

import pytest

from events.ordering import Known, Lifecycle, Version
from events.ties import Tie, tie_of
from events.walks import Why
from tests.builders import NOW
from tests.model.deliveries import known_after, last_step
from tests.model.histories import version

BORN = version("evt_0", NOW, "a", lifecycle=Lifecycle.CREATED)
THERE, BACK = version("evt_1", NOW, "b", "a"), version("evt_2", NOW, "a", "b")
UNLINKED = version("evt_3", NOW, "d", "c")
NOWHERE: frozenset[str] = frozenset()
A, B, D = b"a".hex(), b"b".hex(), b"d".hex()


def tie(*versions: Version) -> Tie:
    known = known_after(last_step(list(versions)))
    assert known is not None
    return tie_of(known)


@pytest.mark.parametrize(
    ("versions", "before", "ends", "why", "sure"),
    [
        ([BORN], NOWHERE, frozenset({A}), Why.ALIKE, True),
        ([BORN, THERE], frozenset({A}), frozenset({B}), Why.ALIKE, True),
        ([BORN, THERE, BACK], frozenset({A}), frozenset({A}), Why.ANCHORED, True),
        ([THERE, version("evt_3", NOW, "d", "b")], NOWHERE, frozenset({D}), Why.FOLLOWED, True),
        ([THERE, BACK], NOWHERE, frozenset({A, B}), Why.AMBIGUOUS, False),
        ([BORN, THERE, UNLINKED], frozenset({A}), frozenset({D}), Why.BROKEN, False),
        ([replace(THERE, partial=True)], NOWHERE, frozenset({B}), Why.ALIKE, False),
    ],
)
def test_says_what_ties_and_how_it_was_decided(
    versions: list[Version],
    before: frozenset[str],
    ends: frozenset[str],
    why: Why,
    sure: bool,  # noqa: FBT001 - a table
) -> None:
    told = tie(*versions)

    assert (told.before, told.ends, told.why, told.sure) == (before, ends, why, sure)


def test_lists_the_tied_events_oldest_first() -> None:
    earlier = version("evt_9", NOW - 60, "a")

    told = tie(BORN, earlier, BACK, THERE)

    assert [(event.event_id, event.leads_from, event.leads_to) for event in told.events] == [
        ("evt_1", A, B),
        ("evt_2", B, A),
    ]


def test_an_event_that_seconds_rule_out_cannot_be_last() -> None:
    told = tie(
        version("evt_1", NOW, "b", "a"), replace(BACK, created=NOW + 2), version("evt_3", NOW + 3, "b", "a")
    )

    assert [event.may_be_last for event in told.events] == [False, True, True]


def test_a_row_without_evidence_has_no_tie() -> None:
    known = known_after(last_step([THERE]))
    assert known is not None

    told = tie_of(Known(b"", known.shown, known.columns))

    assert (told.events, told.ends, told.sure) == ((), frozenset(), False)
