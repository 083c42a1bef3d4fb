"""How a tie is explained to people."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cogento.ordering.explain import Choice, Tie, tie_of
from cogento.ordering.order import Lifecycle, Version
from cogento.ordering.walks import Why
from tests.support.builders import NOW
from tests.support.model.deliveries import known_after, last_step
from tests.support.model.histories import version

BORN = version("evt_0", NOW, "a", lifecycle=Lifecycle.CREATED)
THERE, BACK = version("evt_1", NOW, "b", "a"), version("evt_2", NOW, "a", "b")
UNLINKED = version("evt_3", NOW, "d", "c")
NOWHERE: frozenset[str] = frozenset()
A, B, D = b"a".hex(), b"b".hex(), b"d".hex()


def tie(*versions: Version) -> Tie:
    known = known_after(last_step(list(versions)))
    assert known is not None
    return tie_of(known.evidence, known.last_event_id)


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
        version("evt_1", NOW, "b", "a"), replace(BACK, created=NOW + 5), version("evt_3", NOW + 6, "b", "a")
    )

    assert [event.may_be_last for event in told.events] == [False, True, True]


def test_a_row_without_evidence_has_no_tie() -> None:
    known = known_after(last_step([THERE]))
    assert known is not None

    told = tie_of(b"", known.last_event_id)

    assert (told.events, told.ends, told.choice, told.sure) == ((), frozenset(), None, False)


@pytest.mark.parametrize(
    ("versions", "choice"),
    [
        ([BORN, THERE, BACK], Choice.ONLY_STATE),
        ([THERE, BACK], Choice.GREATEST_ID),
        ([THERE, replace(BACK, created=NOW + 1)], Choice.NEWEST_SECOND),
        ([UNLINKED, version("evt_4", NOW, "z")], Choice.EDGE),
        ([version("evt_1", NOW, "x"), version("evt_2", NOW, "y")], Choice.GREATEST_ID),
        ([THERE, BACK, version("evt_fetched", NOW + 4, "b", fetched=True)], Choice.ANSWERED),
    ],
)
def test_says_why_the_shown_event_was_chosen(versions: list[Version], choice: Choice) -> None:
    assert tie(*versions).choice is choice


@pytest.mark.parametrize(
    ("versions", "shown"),
    [
        ([THERE, BACK], "evt_2"),
        ([replace(THERE, created=NOW + 1), BACK], "evt_1"),
        ([UNLINKED, version("evt_4", NOW, "z")], "evt_3"),
        ([THERE, BACK, version("evt_fetched", NOW + 4, "b", fetched=True)], "evt_1"),
    ],
)
def test_names_the_rule_that_the_decision_followed(versions: list[Version], shown: str) -> None:
    known = known_after(last_step(versions))
    assert known is not None

    assert known.last_event_id == shown


def test_tells_edges_from_sightings() -> None:
    told = tie(THERE, version("evt_4", NOW, "z"))

    assert [(event.event_id, event.is_edge) for event in told.events] == [("evt_1", True), ("evt_4", False)]


def test_says_that_the_shown_event_does_not_carry_the_whole_object() -> None:
    assert tie(replace(THERE, partial=True)).partial


def test_an_answer_that_is_not_believed_is_told_and_is_none_of_the_tied() -> None:
    outdated = version("evt_fetched", NOW + 4, "a", fetched=True)

    told = tie(BORN, THERE, outdated)

    assert (told.doubted, told.sure) == (True, False)
    assert [event.event_id for event in told.events] == ["evt_1"]
