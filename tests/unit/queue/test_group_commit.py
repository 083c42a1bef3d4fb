"""Callers that put at the same time share a call; its result is that of all of them and of no others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cogento.events.outcomes import Source
from cogento.queue import group_commit
from cogento.queue.claims import Put, PutResult
from cogento.queue.errors import MailboxRefused, MailboxUnavailable
from cogento.queue.group_commit import GroupCommit
from cogento.queue.mailboxes import Mailboxes
from tests.support.mailbox_builders import envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogento.events.envelope import Envelope
    from cogento.events.names import CustomerId

QUEUED = Put(PutResult.QUEUED)


class GatedMailboxes(Mailboxes):
    """Notes each call, and lets it end when the gate is open."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.is_open = False
        self.failures: list[BaseException] = []
        self.seconds = 5.0
        self.are_apart = False

    def lane(self, customer_id: CustomerId) -> str:
        return customer_id if self.are_apart else ""

    async def put(self, envelopes: Sequence[Envelope], *, source: Source = Source.WEBHOOK) -> list[Put]:  # noqa: ARG002
        self.calls.append([one.event_id for one in envelopes])
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await becomes(lambda: self.is_open)
        self.under_way -= 1
        if self.failures:
            raise self.failures.pop()
        return [Put(PutResult.QUEUED, needs_wakeup=one.event_id == "evt_ring") for one in envelopes]

    def longest_put_seconds(self) -> float:
        return self.seconds


async def becomes(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - each waits for something else
            await asyncio.sleep(0)


@pytest.fixture
def mailboxes() -> GatedMailboxes:
    return GatedMailboxes()


@pytest.fixture
def one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be one put at a time, so that a test can say who is in which."""
    monkeypatch.setattr(group_commit, "MAX_IN_FLIGHT", 1)


@pytest.fixture
def together(mailboxes: GatedMailboxes) -> GroupCommit:
    return GroupCommit(mailboxes)


async def begin(mailboxes: GatedMailboxes, together: GroupCommit, *later: str) -> list[asyncio.Task[Put]]:
    """One caller whose put is under way, and others that come meanwhile, in this order."""
    tasks = [asyncio.create_task(together.put(envelope("evt_first")))]
    await becomes(lambda: mailboxes.under_way == 1)
    tasks += [asyncio.create_task(together.put(envelope(name))) for name in later]
    await asyncio.sleep(0)  # each runs until it waits
    return tasks


async def outcomes(tasks: Sequence[asyncio.Task[Put]]) -> list[Put | BaseException]:
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)


def test_a_lone_caller_is_put_at_once(mailboxes: GatedMailboxes, together: GroupCommit) -> None:
    mailboxes.is_open = True
    assert asyncio.run(together.put(envelope("evt_1"))) == QUEUED
    assert mailboxes.calls == [["evt_1"]]


def test_callers_of_one_moment_share_a_call(mailboxes: GatedMailboxes, together: GroupCommit) -> None:
    async def scenario() -> list[Put]:
        return await asyncio.gather(*(together.put(envelope(f"evt_{number}")) for number in range(3)))

    mailboxes.is_open = True
    assert asyncio.run(scenario()) == [QUEUED] * 3
    assert mailboxes.calls == [["evt_0", "evt_1", "evt_2"]]


@pytest.mark.usefixtures("one_at_once")
def test_callers_that_come_during_a_put_share_the_next(
    mailboxes: GatedMailboxes, together: GroupCommit
) -> None:
    async def scenario() -> list[Put | BaseException]:
        tasks = await begin(mailboxes, together, "evt_1", "evt_ring", "evt_2")
        mailboxes.is_open = True
        return await outcomes(tasks)

    waking = Put(PutResult.QUEUED, needs_wakeup=True)
    assert asyncio.run(scenario()) == [QUEUED, QUEUED, waking, QUEUED]
    assert mailboxes.calls == [["evt_first"], ["evt_1", "evt_ring", "evt_2"]]


@pytest.mark.usefixtures("one_at_once")
def test_a_failing_put_fails_all_its_callers_and_nobody_else(
    mailboxes: GatedMailboxes, together: GroupCommit
) -> None:
    async def scenario() -> list[Put | BaseException]:
        tasks = await begin(mailboxes, together, "evt_1", "evt_2")
        mailboxes.failures = [MailboxUnavailable("away")]
        mailboxes.is_open = True
        return [*await outcomes(tasks), await together.put(envelope("evt_3"))]

    first, *others = asyncio.run(scenario())
    assert isinstance(first, MailboxUnavailable)
    assert others == [QUEUED] * 3


@pytest.mark.usefixtures("one_at_once")
def test_callers_that_fail_together_get_errors_of_their_own(
    mailboxes: GatedMailboxes, together: GroupCommit
) -> None:
    async def scenario() -> list[Put | BaseException]:
        tasks = await begin(mailboxes, together, "evt_1", "evt_2")
        mailboxes.failures = [MailboxUnavailable("still away"), MailboxUnavailable("away")]
        mailboxes.is_open = True
        return await outcomes(tasks)

    errors = asyncio.run(scenario())
    assert [str(error) for error in errors] == ["away", "still away", "still away"]
    assert len(set(map(id, errors))) == 3


def test_an_error_that_is_not_redis_is_told_as_it_is(
    mailboxes: GatedMailboxes, together: GroupCommit
) -> None:
    mailboxes.is_open = True
    mailboxes.failures = [MailboxRefused("not durable")]
    with pytest.raises(MailboxRefused, match="not durable"):
        asyncio.run(together.put(envelope()))


def test_no_caller_waits_longer_than_two_puts_take_and_a_moment(
    mailboxes: GatedMailboxes, together: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "GRACE_SECONDS", 0.0)
    mailboxes.seconds = 0.02

    async def scenario() -> list[Put | BaseException]:
        answered = await outcomes(await begin(mailboxes, together, "evt_1"))
        mailboxes.is_open = True
        return answered

    assert [str(error) for error in asyncio.run(scenario())] == ["no answer in time"] * 2


def test_each_caller_waits_as_long_as_its_own_put_may_take(
    mailboxes: GatedMailboxes, together: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One timer serves all: it is set earlier for who must give up earlier, and set again for who is left."""
    monkeypatch.setattr(group_commit, "GRACE_SECONDS", 0.0)
    mailboxes.seconds = 0.4

    async def scenario() -> tuple[float, float]:
        clock = asyncio.get_running_loop().time
        begun = clock()

        async def patience(name: str) -> float:
            with pytest.raises(MailboxUnavailable):
                await together.put(envelope(name))
            return clock() - begun

        first = asyncio.create_task(patience("evt_first"))
        await becomes(lambda: mailboxes.under_way == 1)
        mailboxes.seconds = 0.05
        second = asyncio.create_task(patience("evt_second"))
        return await asyncio.wait_for(asyncio.gather(second, first), 5)

    second, first = asyncio.run(scenario())
    assert 0.1 <= second < 0.8 <= first


@pytest.mark.usefixtures("one_at_once")
def test_who_has_no_time_left_for_a_put_is_not_put(mailboxes: GatedMailboxes, together: GroupCommit) -> None:
    async def scenario() -> list[Put | BaseException]:
        mailboxes.seconds = 0.1
        tasks = await begin(mailboxes, together, "evt_late")
        mailboxes.seconds = 5.0
        tasks.append(asyncio.create_task(together.put(envelope("evt_patient"))))
        await asyncio.sleep(0)
        mailboxes.is_open = True
        return await outcomes(tasks)

    _, late, patient = asyncio.run(scenario())
    assert isinstance(late, MailboxUnavailable)
    assert patient == QUEUED
    assert mailboxes.calls == [["evt_first"], ["evt_patient"]]


@pytest.mark.usefixtures("one_at_once")
def test_who_was_cancelled_is_not_put_and_the_others_go_on(
    mailboxes: GatedMailboxes, together: GroupCommit
) -> None:
    async def scenario() -> list[Put | BaseException]:
        first, gone, patient = await begin(mailboxes, together, "evt_gone", "evt_patient")
        gone.cancel()
        await asyncio.sleep(0)
        mailboxes.is_open = True
        return await outcomes([first, patient])

    assert asyncio.run(scenario()) == [QUEUED] * 2
    assert mailboxes.calls == [["evt_first"], ["evt_patient"]]


@pytest.mark.usefixtures("one_at_once")
def test_only_so_many_callers_wait(
    mailboxes: GatedMailboxes, together: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MAX_WAITING", 2)

    async def scenario() -> list[Put | BaseException]:
        tasks = await begin(mailboxes, together, "evt_1", "evt_2", "evt_3")
        mailboxes.is_open = True
        return await outcomes(tasks)

    *served, refused = asyncio.run(scenario())
    assert served == [QUEUED] * 3
    assert str(refused) == "too many callers wait"


@pytest.mark.usefixtures("one_at_once")
@pytest.mark.parametrize("bound", [("MAX_BATCH", 2), ("MAX_BATCH_BYTES", 300)])
def test_more_callers_than_fit_into_one_call_share_several(
    bound: tuple[str, int],
    mailboxes: GatedMailboxes,
    together: GroupCommit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_commit, *bound)

    async def scenario() -> list[Put | BaseException]:
        tasks = await begin(mailboxes, together, "evt_1", "evt_2", "evt_3")
        mailboxes.is_open = True
        return await outcomes(tasks)

    assert asyncio.run(scenario()) == [QUEUED] * 4
    assert mailboxes.calls == [["evt_first"], ["evt_1", "evt_2"], ["evt_3"]]


def test_a_crowd_of_callers_is_served_to_the_last(mailboxes: GatedMailboxes, together: GroupCommit) -> None:
    async def scenario() -> list[Put]:
        return await asyncio.gather(*(together.put(envelope(f"evt_{number}")) for number in range(2_000)))

    mailboxes.is_open = True
    assert asyncio.run(scenario()) == [QUEUED] * 2_000
    assert len([name for call in mailboxes.calls for name in call]) == 2_000


def test_who_comes_during_a_put_starts_a_second_and_who_comes_then_waits(
    mailboxes: GatedMailboxes, together: GroupCommit
) -> None:
    async def scenario() -> list[Put | BaseException]:
        tasks = await begin(mailboxes, together, "evt_1", "evt_2")
        await becomes(lambda: mailboxes.under_way == 2)
        tasks += [asyncio.create_task(together.put(envelope(name))) for name in ("evt_3", "evt_4")]
        for _ in range(10):
            await asyncio.sleep(0)
        assert mailboxes.calls == [["evt_first"], ["evt_1", "evt_2"]]
        mailboxes.is_open = True
        return await outcomes(tasks)

    assert asyncio.run(scenario()) == [QUEUED] * 5
    assert mailboxes.calls == [["evt_first"], ["evt_1", "evt_2"], ["evt_3", "evt_4"]]
    assert mailboxes.most_under_way == group_commit.MAX_IN_FLIGHT == 2


def test_a_second_put_starts_once_as_many_wait_as_the_first_carries(
    mailboxes: GatedMailboxes, together: GroupCommit
) -> None:
    async def scenario() -> list[list[str]]:
        tasks = [asyncio.create_task(together.put(envelope(f"evt_{number}"))) for number in range(3)]
        await becomes(lambda: mailboxes.under_way == 1)
        seen = []
        for name in ("evt_3", "evt_4", "evt_5"):
            tasks.append(asyncio.create_task(together.put(envelope(name))))
            for _ in range(10):
                await asyncio.sleep(0)
            seen.append(mailboxes.calls[-1])
        mailboxes.is_open = True
        await outcomes(tasks)
        return seen

    first = ["evt_0", "evt_1", "evt_2"]
    assert asyncio.run(scenario()) == [first, first, ["evt_3", "evt_4", "evt_5"]]


def test_enough_for_a_put_start_a_second_beside_whatever_the_first_carries(
    mailboxes: GatedMailboxes, together: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "WORTH_A_PUT", 2)

    async def scenario() -> list[Put | BaseException]:
        tasks = [asyncio.create_task(together.put(envelope(f"evt_{number}"))) for number in range(5)]
        await becomes(lambda: mailboxes.under_way == 1)
        tasks += [asyncio.create_task(together.put(envelope(name))) for name in ("evt_5", "evt_6")]
        await becomes(lambda: mailboxes.under_way == 2)
        mailboxes.is_open = True
        return await outcomes(tasks)

    assert asyncio.run(scenario()) == [QUEUED] * 7
    assert list(map(len, mailboxes.calls)) == [5, 2]


def test_too_few_for_a_put_beside_another_are_put_when_that_one_ends(
    mailboxes: GatedMailboxes, together: GroupCommit
) -> None:
    async def scenario() -> list[Put | BaseException]:
        tasks = [asyncio.create_task(together.put(envelope(f"evt_{number}"))) for number in range(3)]
        await becomes(lambda: mailboxes.under_way == 1)
        tasks.append(asyncio.create_task(together.put(envelope("evt_few"))))
        await asyncio.sleep(0)
        mailboxes.is_open = True
        return await outcomes(tasks)

    assert asyncio.run(scenario()) == [QUEUED] * 4
    assert mailboxes.calls == [["evt_0", "evt_1", "evt_2"], ["evt_few"]]
    assert mailboxes.most_under_way == 1


def test_a_put_that_fails_fails_nobody_of_the_other_that_is_under_way(
    mailboxes: GatedMailboxes, together: GroupCommit
) -> None:
    async def scenario() -> list[Put | BaseException]:
        tasks = await begin(mailboxes, together, "evt_1")
        await becomes(lambda: mailboxes.under_way == 2)
        mailboxes.failures = [MailboxUnavailable("away")]
        mailboxes.is_open = True
        return await outcomes(tasks)

    told = asyncio.run(scenario())
    assert sorted(map(str, told)) == sorted(["away", str(QUEUED)])


def test_callers_are_told_when_their_put_is_cut_off(mailboxes: GatedMailboxes, together: GroupCommit) -> None:
    """As an event loop does that ends: it cancels all that is under way."""

    async def scenario() -> list[Put | BaseException]:
        tasks = await begin(mailboxes, together, "evt_1", "evt_2")
        await becomes(lambda: mailboxes.under_way == 2)
        tasks.append(asyncio.create_task(together.put(envelope("evt_waiting"))))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task(), *tasks}:
            task.cancel()
        return await outcomes(tasks)

    assert [str(told) for told in asyncio.run(scenario())] == ["the put was interrupted"] * 4


class FrozenOnce(GatedMailboxes):
    """Never answers the first put, and all others at once."""

    async def put(self, envelopes: Sequence[Envelope], *, source: Source = Source.WEBHOOK) -> list[Put]:  # noqa: ARG002
        if not self.calls:
            self.calls.append([])
            await asyncio.Event().wait()
        return [QUEUED for _ in envelopes]


def test_patience_goes_on_when_another_put_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "GRACE_SECONDS", 0.0)
    mailboxes = FrozenOnce()
    mailboxes.seconds = 0.1
    together = GroupCommit(mailboxes)

    async def scenario() -> list[Put | BaseException]:
        frozen = asyncio.create_task(together.put(envelope("evt_first")))
        await becomes(lambda: bool(mailboxes.calls))
        return [await together.put(envelope("evt_1")), *await outcomes([frozen])]

    answered, frozen = asyncio.run(scenario())
    assert answered == QUEUED
    assert str(frozen) == "no answer in time"


def test_customers_on_another_server_do_not_wait_for_a_put_to_this_one(
    mailboxes: GatedMailboxes, together: GroupCommit
) -> None:
    mailboxes.are_apart = True

    async def put_all() -> list[Put]:
        puts = [
            asyncio.create_task(together.put(envelope(f"evt_{name}", customer=f"cus_{name}")))
            for name in "abc"
        ]
        await becomes(lambda: mailboxes.under_way == len(puts))
        mailboxes.is_open = True
        return await asyncio.gather(*puts)

    assert asyncio.run(put_all()) == [QUEUED] * 3
    assert sorted(mailboxes.calls) == [["evt_a"], ["evt_b"], ["evt_c"]]
