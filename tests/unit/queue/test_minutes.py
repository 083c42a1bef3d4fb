"""The totals of a day's minutes: what was kept is read, today's take the place of yesterday's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.queue import keys
from cogento.queue.minutes import MINUTES_KEPT, MinuteTotals

if TYPE_CHECKING:
    import fakeredis

    from tests.support.looped import LoopedMailboxes

MINUTE = 28_000_000
KEY = keys.minutes_key(keys.tags(1)[0])


def test_minutes_are_read_as_they_were_kept_oldest_first(mailboxes: LoopedMailboxes) -> None:
    later = MinuteTotals(MINUTE + 1, received=9, waiting=2, outcomes={"applied": 7}, missing=3)
    away = MinuteTotals(MINUTE, received=5, waiting=1)
    mailboxes.minutes.keep(later)
    mailboxes.minutes.keep(away)
    assert mailboxes.minutes.kept() == [away, later]


def test_a_day_is_kept_and_no_more(mailboxes: LoopedMailboxes) -> None:
    mailboxes.minutes.keep(MinuteTotals(MINUTE, received=5, waiting=1))
    mailboxes.minutes.keep(MinuteTotals(MINUTE + MINUTES_KEPT, received=9, waiting=1))
    assert [one.minute for one in mailboxes.minutes.kept()] == [MINUTE + MINUTES_KEPT]


def test_what_is_not_ours_to_read_is_left_out(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis
) -> None:
    client.hset(KEY, mapping={"1": b"\xff", "2": b"{}", "3": b"[1, 2]"})
    mailboxes.minutes.keep(MinuteTotals(MINUTE, received=5, waiting=1))
    assert [one.minute for one in mailboxes.minutes.kept()] == [MINUTE]
