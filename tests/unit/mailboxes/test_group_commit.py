"""Callers that put at the same time share a call; what happens to it happens to all of them and nobody else."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from mailboxes import group_commit
from mailboxes.errors import MailboxRefused, MailboxUnavailable
from mailboxes.group_commit import GroupCommit
from mailboxes.mail import Put, PutResult
from tests.mailbox_builders import envelope
from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from events.envelope import Envelope


class GatedMailboxes:
    """Notes each call, and lets it end when the gate is open."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.gate = threading.Event()
        self.failures: list[BaseException] = []
        self.seconds = 5.0

    def put(self, envelopes: Sequence[Envelope]) -> list[Put]:
        self.calls.append([one.event_id for one in envelopes])
        assert self.gate.wait(10)
        if self.failures:
            raise self.failures.pop()
        return [Put(PutResult.QUEUED, ring=one.event_id == "evt_ring") for one in envelopes]

    def longest_put_seconds(self) -> float:
        return self.seconds


@pytest.fixture
def mailboxes() -> GatedMailboxes:
    return GatedMailboxes()


@pytest.fixture
def together(mailboxes: GatedMailboxes) -> GroupCommit:
    return GroupCommit(mailboxes)


@pytest.fixture
def callers(mailboxes: GatedMailboxes) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool
        mailboxes.gate.set()


def gathered(together: GroupCommit, *, number: int) -> None:
    wait_until(lambda: len(together._queue) == number, what=f"{number} callers to wait")


def begin(
    callers: ThreadPoolExecutor, mailboxes: GatedMailboxes, together: GroupCommit, *later: str
) -> list[Future[Put]]:
    """One caller whose put is under way, and others that come meanwhile, in this order."""
    futures = [callers.submit(together.put, envelope("evt_first"))]
    wait_until(lambda: len(mailboxes.calls) == 1, what="the first put")
    for number, name in enumerate(later, start=1):
        futures.append(callers.submit(together.put, envelope(name)))
        gathered(together, number=number)
    return futures


def test_a_lone_caller_is_put_at_once(mailboxes: GatedMailboxes, together: GroupCommit) -> None:
    mailboxes.gate.set()
    assert together.put(envelope("evt_1")) == Put(PutResult.QUEUED)
    assert mailboxes.calls == [["evt_1"]]


def test_callers_that_come_during_a_put_share_the_next(
    mailboxes: GatedMailboxes, together: GroupCommit, callers: ThreadPoolExecutor
) -> None:
    futures = begin(callers, mailboxes, together, "evt_1", "evt_ring", "evt_2")
    mailboxes.gate.set()
    assert [future.result(5).ring for future in futures] == [False, False, True, False]
    assert mailboxes.calls == [["evt_first"], ["evt_1", "evt_ring", "evt_2"]]


def test_a_failing_put_fails_all_its_callers_and_nobody_else(
    mailboxes: GatedMailboxes, together: GroupCommit, callers: ThreadPoolExecutor
) -> None:
    futures = begin(callers, mailboxes, together, "evt_1", "evt_2")
    mailboxes.failures = [MailboxUnavailable("away")]
    mailboxes.gate.set()
    errors = [future.exception(5) for future in futures]
    assert [type(error) for error in errors] == [MailboxUnavailable, type(None), type(None)]
    assert together.put(envelope("evt_3")) == Put(PutResult.QUEUED)


def test_callers_that_fail_together_get_errors_of_their_own(
    mailboxes: GatedMailboxes, together: GroupCommit, callers: ThreadPoolExecutor
) -> None:
    futures = begin(callers, mailboxes, together, "evt_1", "evt_2")
    mailboxes.failures = [MailboxUnavailable("still away"), MailboxUnavailable("away")]
    mailboxes.gate.set()
    errors = [future.exception(5) for future in futures]
    assert [str(error) for error in errors] == ["away", "still away", "still away"]
    assert len(set(map(id, errors))) == 3


def test_an_error_that_is_not_redis_is_told_as_it_is(
    mailboxes: GatedMailboxes, together: GroupCommit
) -> None:
    mailboxes.gate.set()
    mailboxes.failures = [MailboxRefused("not durable")]
    with pytest.raises(MailboxRefused, match="not durable"):
        together.put(envelope())


def test_a_killed_leader_fails_its_followers_and_passes_the_lead_on(
    mailboxes: GatedMailboxes, together: GroupCommit, callers: ThreadPoolExecutor
) -> None:
    futures = begin(callers, mailboxes, together, "evt_1", "evt_2")
    mailboxes.failures = [SystemExit(), MailboxUnavailable("away")]
    mailboxes.gate.set()
    assert [type(future.exception(5)) for future in futures] == [
        MailboxUnavailable,
        SystemExit,
        MailboxUnavailable,
    ]
    assert together.put(envelope("evt_3")) == Put(PutResult.QUEUED)


def test_no_caller_waits_longer_than_two_puts_take(
    mailboxes: GatedMailboxes, together: GroupCommit, callers: ThreadPoolExecutor
) -> None:
    mailboxes.seconds = 0.05
    futures = begin(callers, mailboxes, together, "evt_1")
    assert isinstance(futures[1].exception(5), MailboxUnavailable)
    assert not futures[0].done()


def test_who_gave_up_is_not_put_and_the_others_go_on(
    mailboxes: GatedMailboxes, together: GroupCommit, callers: ThreadPoolExecutor
) -> None:
    mailboxes.seconds = 0.05
    futures = begin(callers, mailboxes, together, "evt_gone")
    futures[1].exception(5)
    mailboxes.seconds = 5.0
    patient = callers.submit(together.put, envelope("evt_patient"))
    gathered(together, number=1)
    mailboxes.gate.set()
    assert patient.result(5) == Put(PutResult.QUEUED)
    assert mailboxes.calls == [["evt_first"], ["evt_patient"]]


def test_only_so_many_callers_wait(
    mailboxes: GatedMailboxes,
    together: GroupCommit,
    callers: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_commit, "MOST_WAITING", 2)
    begin(callers, mailboxes, together, "evt_1", "evt_2")
    with pytest.raises(MailboxUnavailable, match="too many"):
        together.put(envelope("evt_3"))


@pytest.mark.parametrize("bound", [("MOST_TOGETHER", 2), ("MOST_BYTES_TOGETHER", 150)])
def test_more_callers_than_fit_into_one_call_share_several(
    bound: tuple[str, int],
    mailboxes: GatedMailboxes,
    together: GroupCommit,
    callers: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_commit, *bound)
    futures = begin(callers, mailboxes, together, "evt_1", "evt_2", "evt_3")
    mailboxes.gate.set()
    assert [future.result(5).result for future in futures] == [PutResult.QUEUED] * 4
    assert mailboxes.calls == [["evt_first"], ["evt_1", "evt_2"], ["evt_3"]]


def test_a_crowd_of_callers_is_served_to_the_last(mailboxes: GatedMailboxes, together: GroupCommit) -> None:
    mailboxes.gate.set()
    with ThreadPoolExecutor(32) as crowd:
        names = [f"evt_{number}" for number in range(2_000)]
        puts = list(crowd.map(lambda name: together.put(envelope(name)), names))
    assert {put.result for put in puts} == {PutResult.QUEUED}
    assert sorted(name for call in mailboxes.calls for name in call) == sorted(names)
