"""The oracle against orders written out by hand, so that it can be trusted where it disagrees."""

from __future__ import annotations

import pytest
from msgspec import structs

from cogento.ordering.order import Lifecycle, Version
from tests.support.model.histories import version
from tests.support.model.oracle import Opinion, judge

CREATED, DELETED = Lifecycle.CREATED, Lifecycle.DELETED
AB, BA, BC, CD = (
    version("evt_ab", 10, "b", "a"),
    version("evt_ba", 10, "a", "b"),
    version("evt_bc", 10, "c", "b"),
    version("evt_cd", 10, "d", "c"),
)
AGAIN = version("evt_again", 11, "b", "a")
BORN = version("evt_0", 10, "a", lifecycle=CREATED)
LATER = version("evt_da", 20, "a", "d")
CB = version("evt_cb", 20, "b", "c")
BC_LATER = version("evt_bc", 20, "c", "b")


@pytest.mark.parametrize(
    ("events", "ends", "decidable"),
    [
        ([BORN], "a", True),
        ([AB], "b", True),
        ([AB, BC], "c", True),
        ([AB, BA], "ab", False),
        ([BORN, AB, BA], "a", True),
        ([BORN, AB, CD], "d", False),
        ([AB, CD], "bd", False),
        ([AB, CD, LATER], "a", True),
        ([AB, BA, AB], "ab", False),
        ([version("evt_1", 10, "x"), AB], "bx", False),
        ([version("evt_1", 10, "x", terminal=True, lifecycle=DELETED), LATER], "x", True),
        ([version("evt_1", 10, "x", growing=(2,)), version("evt_2", 10, "y", growing=(1,))], "xy", False),
        ([version("evt_1", 13, "b", "a"), version("evt_2", 10, "c", "b")], "c", False),
        ([version("evt_1", 12, "b", "a"), version("evt_2", 10, "c", "b")], "c", True),
        ([BORN, AB, version("evt_again", 11, "b", "a"), BA], "b", True),
        ([BORN, *(structs.replace(v, request=b"r") for v in (AB, AGAIN)), BA], "a", True),
        (
            [version("evt_1", 10, "a"), version("evt_2", 16, "b", "a"), version("evt_3", 16, "a", "b")],
            "a",
            True,
        ),
        ([AB, BA, BC_LATER, CB], "b", True),
        ([version("evt_1", 0, "a"), AB, BA, BC_LATER, CB], "bc", False),
    ],
)
def test_judges_as_a_person_would(events: list[Version], ends: str, *, decidable: bool) -> None:
    opinion = judge(events)

    assert opinion.ends == frozenset(state.encode() for state in ends)
    assert opinion.decidable is decidable
    assert opinion.ends <= opinion.possible


def test_what_links_only_make_likely_is_not_ruled_out_and_what_seconds_say_is() -> None:
    undecided, later = judge([BORN, AB, CD]), judge([BORN, AB, LATER])

    assert undecided == Opinion(frozenset({b"d"}), decidable=False, possible=frozenset({b"b", b"d"}))
    assert not undecided.rules_out(b"b")
    assert later.rules_out(b"b")
