"""Minutes, hours and days made of what was kept: nothing is counted twice, and a gap is no peak."""

from __future__ import annotations

from dataclasses import replace

from cogento.console.timeline import Bucket, Span, buckets_of, recovered, rows_of
from cogento.queue.minutes import MinuteTotals
from tests.support.fake_console import UNSEEN

MINUTE = 28_000_000
NOW = MINUTE * 60 + 30


def totals(minutes_ago: int, applied: int | None, *, received: int = 0, waiting: int = 0) -> MinuteTotals:
    outcomes = None if applied is None else {"applied": applied}
    return MinuteTotals(MINUTE - minutes_ago, received, waiting, outcomes, missing=applied)


def buckets(span: Span, *kept: MinuteTotals) -> list[Bucket]:
    return buckets_of(span, replace(UNSEEN, second=NOW, minutes=kept))


def test_an_hour_has_a_bucket_for_each_whole_minute() -> None:
    found = buckets(Span.HOUR, totals(2, 10, received=5, waiting=3), totals(1, 17, received=9))
    assert len(found) == 60
    assert found[-2] == Bucket({"applied": 7}, 3, 4)
    assert found[-1] == Bucket({}, 0, None)


def test_what_came_while_nobody_looked_is_spread_over_that_time() -> None:
    found = buckets(Span.HOUR, totals(5, 0), totals(1, 10), totals(0, 11))
    assert [bucket.settled.get("applied") for bucket in found[-6:]] == [None, 3, 3, 2, 2, 1]


def test_minutes_in_which_postgres_was_away_are_counted_when_it_is_back() -> None:
    found = buckets(Span.HOUR, totals(3, 0), totals(2, None), totals(1, 8))
    assert [bucket.settled.get("applied") for bucket in found[-3:]] == [4, 4, None]


def test_totals_that_began_again_are_no_negative_growth() -> None:
    found = buckets(Span.HOUR, totals(2, 100, received=100), totals(1, 3, received=2))
    assert (found[-2].settled, found[-2].received) == ({}, 0)


def test_a_day_has_a_bucket_for_each_quarter_of_an_hour_and_a_row_for_each_hour() -> None:
    found = buckets(Span.DAY, totals(16, 0, waiting=9), totals(15, 4), totals(1, 10))
    assert len(found) == 96
    assert found[-1].settled == {"applied": 6}
    assert (found[-2].settled, found[-2].waiting) == ({"applied": 4}, 9)
    rows = rows_of(Span.DAY, found, second=NOW)
    assert len(rows) == 24
    assert (rows[0].second, rows[0].seconds) == (MINUTE * 60 - 3600, 3600)
    assert rows[0].settled == {"applied": 10}


def test_two_minutes_are_told_in_parts_of_ten_seconds() -> None:
    seen = [Bucket({}, 1, 0)] * 110 + [Bucket({"applied": 1}, 5, 2)] * 10
    rows = rows_of(Span.MINUTES, seen, second=NOW)
    assert len(rows) == 12
    assert (rows[0].second, rows[0].settled, rows[0].waiting, rows[0].received) == (
        NOW - 10,
        {"applied": 10},
        5,
        20,
    )


def test_recovered_events_are_what_their_count_has_grown_by() -> None:
    assert recovered([totals(9, 100), totals(5, None), totals(1, 107)]) == 7
    assert recovered([totals(9, 100), totals(1, 3)]) == 0
    assert recovered([]) == 0
