"""A customer whose events are taken out for good, whatever state they are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.events.names import CustomerId
from cogento.queue.claims import Settlement
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import all_done, claim, envelope, ids, is_idle, taken

if TYPE_CHECKING:
    import fakeredis

    from tests.support.mailbox_builders import ManualClock

CUS_A, CUS_B = CustomerId("cus_a"), CustomerId("cus_b")


def keys_with(client: fakeredis.FakeRedis, text: bytes) -> list[bytes]:
    """Every key that has a text in its name."""
    return [key for key in client.scan_iter(match=b"*" + text + b"*") if isinstance(key, bytes)]


def test_waiting_parked_and_sleeping_events_go_with_all_that_is_known_of_them(
    mailboxes: LoopedMailboxes, client: fakeredis.FakeRedis, clock: ManualClock
) -> None:
    mailboxes.put([envelope(f"evt_{n}") for n in range(1, 4)])
    parked = Settlement(CUS_A, parked=ids("evt_1"), postponed_until_ms=clock.ms + 60_000)
    mailboxes.settle(claim(mailboxes), [parked])
    client.set("{cogento:0}:aside:mail:cus_a", "what another program wrote")
    client.set("{cogento:0}:aside:event:evt_2", "and this")

    assert mailboxes.forget(CUS_A, known=ids("evt_1", "evt_2", "evt_3")) == 3

    status = mailboxes.status()
    assert (status.waiting, status.parked) == (0, 0)
    assert client.hget("{cogento:0}:stats", "bytes") == b"0"
    assert keys_with(client, b"evt_") + keys_with(client, b"cus_a") == []
    assert is_idle(mailboxes)
    assert mailboxes.forget(CUS_A, known=[]) == 0


def test_others_keep_their_events_in_every_shard(client: fakeredis.FakeRedis, clock: ManualClock) -> None:
    mailboxes = LoopedMailboxes.on(client, clock=clock, shards=4)
    mailboxes.put([envelope(f"evt_{n}", customer=f"cus_{n}") for n in range(8)])

    assert mailboxes.forget(CustomerId("cus_3"), known=ids("evt_3")) == 1

    assert sorted(taken(claim(mailboxes))) == [f"cus_{n}" for n in (0, 1, 2, 4, 5, 6, 7)]


def test_events_in_a_worker_s_hands_are_left_until_it_gives_them_back(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1")])
    held = claim(mailboxes)

    assert mailboxes.forget(CUS_A, known=ids("evt_1")) is None

    assert mailboxes.settle(held, all_done(held)) == frozenset()
    assert mailboxes.forget(CUS_A, known=[]) == 0


def test_nothing_is_taken_out_while_there_is_an_event_that_the_caller_does_not_know(
    mailboxes: LoopedMailboxes,
) -> None:
    mailboxes.put([envelope("evt_1"), envelope("evt_2")])

    assert mailboxes.forget(CUS_A, known=ids("evt_1")) is None

    assert taken(claim(mailboxes)) == {"cus_a": ["evt_1", "evt_2"]}


def test_a_new_event_finds_its_way_afterwards(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1")])
    mailboxes.forget(CUS_A, known=ids("evt_1"))

    mailboxes.put([envelope("evt_2")])

    assert taken(claim(mailboxes)) == {"cus_a": ["evt_2"]}


def test_a_pause_stays_without_the_words_of_who_made_it(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(CUS_A, who="ops", why="she rang")
    mailboxes.pause(CUS_B, who="ops", why="asked by ADA of cus_a")
    mailboxes.pause(who="ops", why="because of ada")

    mailboxes.forget(CUS_A, known=[], names=["ada"])

    pauses = [mailboxes.view(CUS_A).pause, mailboxes.view(CUS_B).pause, mailboxes.paused().everything]
    assert [(one.who, one.why) for one in pauses if one] == [("", "")] * 3


def test_a_reason_that_does_not_name_the_person_is_kept(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(CUS_B, who="ops", why="INC-7")

    mailboxes.forget(CUS_A, known=[], names=["ada", "élodie"])

    pause = mailboxes.view(CUS_B).pause
    assert pause is not None
    assert (pause.who, pause.why) == ("ops", "INC-7")


def test_a_name_is_found_in_any_case_beyond_ascii(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(CUS_B, who="ops", why="for Élodie")

    mailboxes.forget(CUS_A, known=[], names=["élodie"])

    pause = mailboxes.view(CUS_B).pause
    assert pause is not None
    assert pause.why == ""
