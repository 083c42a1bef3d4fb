"""What a worker keeps of the tables where receivers find it: who reads them, and how old it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.queue.figures import KEPT_MS, KeptTables
from cogento.retries import INTERVALS
from tests.support.looped import LoopedMailboxes

if TYPE_CHECKING:
    from tests.support.fake_redis import FakeRedis
    from tests.support.mailbox_builders import ManualClock

TAG = "{cogento:0}"


def test_one_worker_at_a_time_reads_the_tables(
    client: FakeRedis, mailboxes: LoopedMailboxes, clock: ManualClock
) -> None:
    another = LoopedMailboxes.on(client, clock=clock)
    assert [each.tables.begin() for each in (mailboxes, another, mailboxes)] == [True, False, False]
    client.delete(f"{TAG}:reading")
    assert another.tables.begin()


def test_a_worker_that_dies_while_it_reads_holds_nobody_up(
    client: FakeRedis, mailboxes: LoopedMailboxes
) -> None:
    mailboxes.tables.begin()
    assert 0 < client.pttl(f"{TAG}:reading") <= INTERVALS.figures_seconds * 1000


def test_what_was_kept_is_found_with_its_age(mailboxes: LoopedMailboxes, clock: ManualClock) -> None:
    mailboxes.tables.keep(b"figures")
    clock.ms += 7_500
    assert mailboxes.tables.kept() == KeptTables(b"figures", 7.5)


def test_what_was_kept_goes_by_itself(client: FakeRedis, mailboxes: LoopedMailboxes) -> None:
    mailboxes.tables.keep(b"figures")
    assert 0 < client.pttl(f"{TAG}:tables") <= KEPT_MS


def test_nothing_is_found_where_nobody_kept_anything_or_somebody_else_did(
    client: FakeRedis, mailboxes: LoopedMailboxes
) -> None:
    assert mailboxes.tables.kept() is None
    client.set(f"{TAG}:tables", b"no figures")
    assert mailboxes.tables.kept() is None


def test_with_several_shards_there_is_one_place_for_it(client: FakeRedis, clock: ManualClock) -> None:
    three = LoopedMailboxes.on(client, clock=clock, shards=3)
    three.tables.begin()
    three.tables.keep(b"figures")
    assert sorted(client.keys()) == [f"{TAG}:reading".encode(), f"{TAG}:tables".encode()]
