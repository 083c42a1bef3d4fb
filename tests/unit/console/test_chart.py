from __future__ import annotations

import pytest

from cogento.console.timeline import Bucket
from cogento.console.web.chart import BARS_HEIGHT, WIDTH, BarKind, draw, round_up


@pytest.mark.parametrize(
    ("value", "top"),
    [(0, 1), (1, 1), (2, 2), (7, 8), (10, 10), (11, 15), (99, 100), (101, 150), (4501, 5000)],
)
def test_axis_ends_at_a_number_that_reads_well(value: int, top: int) -> None:
    assert round_up(value) == top


def test_second_with_nothing_draws_no_bar() -> None:
    assert draw([Bucket({}, 0)]).bars == ()


def test_kinds_of_one_second_stand_on_each_other_without_a_gap() -> None:
    applied, dead = draw([Bucket({"applied": 3, "dead": 2}, 0)]).bars
    assert (applied.kind, dead.kind) == (BarKind.APPLIED, BarKind.DEAD)
    assert applied.y + applied.height == BARS_HEIGHT
    assert dead.y + dead.height == applied.y


def test_fullest_second_reaches_no_higher_than_the_axis() -> None:
    chart = draw([Bucket({"applied": 5}, 0), Bucket({"applied": 1}, 0)])
    assert min(bar.y for bar in chart.bars) == 0


def test_newest_second_stands_at_the_right_edge() -> None:
    (bar,) = draw([Bucket({}, 0)] * 9 + [Bucket({"applied": 1}, 0)]).bars
    assert bar.x == WIDTH * 0.9
    assert bar.seconds_ago == 0


def test_events_set_aside_for_any_reason_are_one_kind() -> None:
    (bar,) = draw([Bucket({"stale": 1, "superseded": 2, "duplicate": 3}, 0)]).bars
    assert (bar.kind, bar.count) == (BarKind.SET_ASIDE, 6)


def test_backlog_that_nobody_looked_at_is_not_drawn() -> None:
    assert draw([Bucket({}, None)]).backlog == ""


def test_backlog_is_drawn_from_the_second_at_which_looking_began() -> None:
    chart = draw([Bucket({}, None), Bucket({}, 10)])
    assert chart.backlog.startswith(f"M{WIDTH * 0.75}")
    assert chart.backlog_top == 10


def test_chart_of_no_beats_is_empty() -> None:
    assert draw([]).bars == ()
