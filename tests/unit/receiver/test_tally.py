"""What a receiver reports of its fence."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cogento.events.fence import Fence, Fenced
from cogento.events.names import EventId
from cogento.queue.fence import FenceNotes
from receiver.tally import FenceTally

if TYPE_CHECKING:
    from collections.abc import Mapping

FENCE = Fence(livemode=False, account="acct_OWN")
OLD, NEW = EventId("evt_old"), EventId("evt_new")


class Notes(FenceNotes):
    """Keeps what is noted; the note after `failure` was set raises that."""

    def __init__(self) -> None:
        self.noted: asyncio.Queue[tuple[int, Mapping[Fenced, int], EventId | None]] = asyncio.Queue()
        self.failure: Exception | None = None

    async def note(
        self,
        fence: Fence,  # noqa: ARG002 - as FenceNotes
        *,
        let_in: int,
        kept_out: Mapping[Fenced, int],
        unnamed: EventId | None = None,
        bad_signatures: int = 0,  # noqa: ARG002 - as FenceNotes
    ) -> None:
        self.noted.put_nowait((let_in, kept_out, unnamed))
        failure, self.failure = self.failure, None
        if failure:
            raise failure


def test_an_event_without_account_is_named_beside_the_counts_in_which_it_is() -> None:
    async def scenario() -> None:
        notes = Notes()
        tally = FenceTally(FENCE, notes, every_seconds=0)
        tally.keep_out(Fenced.NO_ACCOUNT, OLD)
        assert await notes.noted.get() == (0, {Fenced.NO_ACCOUNT: 1}, OLD)
        tally.keep_out(Fenced.OTHER_MODE, NEW)
        assert await notes.noted.get() == (0, {Fenced.OTHER_MODE: 1}, None)

    asyncio.run(scenario())


def test_a_report_that_failed_is_not_the_last() -> None:
    async def scenario() -> None:
        notes = Notes()
        notes.failure = KeyError("a bug")
        tally = FenceTally(FENCE, notes, every_seconds=0)
        tally.let_in()
        await notes.noted.get()
        tally.let_in()
        async with asyncio.timeout(5):
            assert await notes.noted.get() == (1, {}, None)

    asyncio.run(scenario())


def test_reports_that_fail_by_a_bug_are_no_more_than_others() -> None:
    async def scenario() -> None:
        notes = Notes()
        notes.failure = KeyError("a bug")
        tally = FenceTally(FENCE, notes, every_seconds=3600)
        tally.let_in()
        await notes.noted.get()
        for _ in range(9):
            await asyncio.sleep(0)
            tally.let_in()
        assert notes.noted.empty()

    asyncio.run(scenario())
