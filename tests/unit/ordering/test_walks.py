"""The states a history can have ended in."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cogento.ordering.evidence import NOTHING
from cogento.ordering.memory import remember
from cogento.ordering.order import Lifecycle, Version
from cogento.ordering.walks import Ends, Why, clusters, possible_ends
from tests.support.builders import NOW
from tests.support.model.histories import version

BORN = version("evt_0", NOW, "a", lifecycle=Lifecycle.CREATED)


def edge(path: str, second: int = 0, **fields: Any) -> Version:
    """An event named by where it leads: "ab" from a to b; "b" is a sighting of b."""
    before = path[0] if len(path) > 1 else None
    return version(f"evt_{path}{second}", NOW + second, path[-1], before, **fields)


def ends_of(*versions: Version) -> tuple[str, bool]:
    ends = possible_ends(remember(NOTHING, versions))
    return "".join(sorted(state.decode() for state in ends.states)), ends.are_sure


@pytest.mark.parametrize(
    ("versions", "states", "sure"),
    [
        ([BORN], "a", True),
        ([edge("ab")], "b", True),
        ([edge("b"), edge("c", 9)], "c", True),
        ([edge("ab"), edge("bc")], "c", True),
        ([edge("ab"), edge("ba")], "ab", False),
        ([BORN, edge("ab"), edge("ba")], "a", True),
        ([edge("b", -9), edge("ab"), edge("ba")], "b", True),
        ([edge("ab"), edge("bc"), edge("ca"), edge("ad")], "d", True),
        ([edge("ab"), edge("cd")], "bd", False),
        ([BORN, edge("ab"), edge("cd")], "d", False),
        ([edge("ab"), edge("cd"), edge("e", 9)], "e", True),
        ([edge("ab"), edge("x")], "bx", False),
        ([edge("ab", 2), edge("bc"), edge("cd", 1)], "d", True),
        ([edge("ab"), edge("bc", 5), edge("ca", 10)], "a", True),  # seconds leave one way round
        ([edge("ab"), edge("bc", 2), edge("ca", 4)], "abc", False),  # late stamps leave three
        ([edge("ab"), edge("b", 5), edge("a", 6)], "a", False),  # the way back is missing
        ([edge("ab", 3), edge("bc")], "c", False),  # links say one order, seconds another
        ([BORN, edge("ab", 3), edge("ba")], "a", False),  # so here, there and back
        ([edge("ab", growing=(1,)), edge("ba", growing=(2,))], "ab", False),  # growth decides nothing
        ([edge("ab", growing=(2,)), edge("bc", growing=(1,))], "c", True),
    ],
)
def test_ends_where_every_fitting_order_ends(
    versions: list[Version],
    states: str,
    sure: bool,  # noqa: FBT001 - a table
) -> None:
    assert ends_of(*versions) == (states, sure)


def test_three_windows_of_there_and_back_are_carried_from_the_state_before() -> None:
    life = [edge("xa"), *(edge(path, 9 * n) for n in (1, 2) for path in ("ab", "ba"))]

    assert ends_of(*life) == ("a", True)


def test_events_that_say_the_same_are_interchangeable() -> None:
    toggles = [version(f"evt_{n}", NOW, "ab"[n % 2], "ba"[n % 2]) for n in range(40)]

    assert ends_of(BORN, *toggles) == ("a", True)


def test_of_changes_that_say_the_same_one_that_was_told_again_later_is_not_interchangeable() -> None:
    """Nothing says whether it was the first of the two or the second, so all of it can end either way."""
    back = version("evt_1", NOW, "c", "a", request=b"req0")
    there = version("evt_3", NOW + 5, "a", "c", request=b"req1")
    back_again = version("evt_4", NOW + 5, "c", "a", request=b"req2")
    twin_of_there = version("evt_2", NOW + 5, "a", "c", request=b"req3")
    told_again = version("evt_5", NOW + 6, "a", "c", request=b"req3")
    assert ends_of(back, back_again, twin_of_there, there, told_again) == ("ac", False)


def test_growth_that_goes_in_a_circle_is_undecidable() -> None:
    first = version("evt_1", NOW, "a", growing=(5,))
    between = version("evt_2", NOW + 2, "b", growing=(4,))
    last = version("evt_3", NOW + 3, "c", growing=(3,))

    assert ends_of(first, between, last) == ("abc", False)


def test_too_many_unlinked_events_are_given_up_as_undecidable() -> None:
    unlinked = [version(f"evt_{n:02}", NOW, f"{n}", f"from {n}") for n in range(30)]

    ends = possible_ends(remember(NOTHING, unlinked))

    assert ends == Ends(frozenset(v.state for v in unlinked), Why.BROKEN, is_complete=False)


CHAIN = [
    edge("ab", 1),
    edge("cd", 3),
    edge("de", 5),
    edge("ef", 7),
    edge("fg", 9),
    edge("gh", 11),
    edge("hi", 12),
]


def test_a_link_that_was_forgotten_is_not_missed() -> None:
    assert ends_of(edge("bc", 0), *CHAIN) == ("i", True)


def test_a_link_that_never_came_is_missed() -> None:
    assert ends_of(*CHAIN) == ("i", False)


def test_clusters_are_cut_where_all_later_events_are_surely_later() -> None:
    stage = remember(NOTHING, [edge("a"), edge("b", 5), edge("c", 10), edge("d", 16), edge("e", 18)])

    parts = [[member.state for member in cluster] for cluster in clusters(stage.records)]

    assert parts == [[b"a", b"b", b"c"], [b"d", b"e"]]


def test_an_answer_is_cut_off_from_events_that_are_the_window_older_than_it() -> None:
    answer = edge("b", 3, fetched=True)
    stage = remember(NOTHING, [edge("ab"), answer, edge("bc", 8), edge("cd", 9)])

    parts = [[member.state for member in cluster] for cluster in clusters(stage.records)]

    assert parts == [[b"b"], [b"b", b"c", b"d"]]


def test_a_long_run_of_changes_a_few_seconds_apart_is_followed_to_its_end() -> None:
    legs = "ab cb bc db bd ef bg ge fh hi ij jk kl lm mn no pq op qr st tu rs uv vw".split()  # noqa: SIM905
    seconds = [1, 2, 2, 4, 4, 5, 5, 5, 5, 6, 11, 12, 12, 14, 14, 16, 17, 17, 17, 18, 18, 18, 22, 26]
    run = [edge(leg, second) for leg, second in zip(legs, seconds, strict=True)]

    ends = possible_ends(replace(remember(NOTHING, run), newest_dropped=NOW))

    assert ends == Ends(frozenset({b"w"}), Why.FOLLOWED)


def test_stamps_that_contradict_links_before_these_events_leave_them_in_doubt() -> None:
    assert ends_of(edge("ab", 3), edge("ba"), edge("ac", 14), edge("ca", 14)) == ("a", False)
    assert ends_of(edge("ab", 1), edge("ba"), edge("ac", 14), edge("ca", 14)) == ("a", True)
