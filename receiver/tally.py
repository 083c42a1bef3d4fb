"""What the fence lets in and keeps out, reported to Redis now and then so that people can see it.

Counting happens for every event and costs an addition; a task of its own reports the counts.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from cogento.events.fence import Fence, Fenced
from cogento.queue.errors import MailboxUnavailable
from cogento.reporting import report
from cogento.retries import INTERVALS

if TYPE_CHECKING:
    from cogento.events.names import EventId
    from cogento.queue.fence import FenceNotes

_log = structlog.get_logger()


class FenceTally:
    """Counts in one event loop, and reports the first count at once and further ones at most every five seconds."""

    def __init__(
        self, fence: Fence, notes: FenceNotes, *, every_seconds: float = INTERVALS.fence_tally_seconds
    ) -> None:
        self._fence = fence
        self._notes = notes
        self._every_seconds = every_seconds
        self._let_in = 0
        self._kept_out: dict[Fenced, int] = {}
        self._unnamed: EventId | None = None
        self._bad_signatures = 0
        self._reporting: asyncio.Task[None] | None = None

    def let_in(self) -> None:
        """Count an event that the fence let in."""
        self._let_in += 1
        if self._reporting is None:
            self._reporting = asyncio.create_task(self._report())

    def keep_out(self, reason: Fenced, event_id: EventId) -> None:
        """Count an event that the fence kept out."""
        self._kept_out[reason] = self._kept_out.get(reason, 0) + 1
        if reason is Fenced.NO_ACCOUNT:
            self._unnamed = event_id
        if self._reporting is None:
            self._reporting = asyncio.create_task(self._report())

    def refuse_signature(self) -> None:
        """Count a webhook that no secret of ours signed."""
        self._bad_signatures += 1
        if self._reporting is None:
            self._reporting = asyncio.create_task(self._report())

    async def _report(self) -> None:
        """Report what was counted, and rest; again while there is something to report."""
        try:
            while self._let_in or self._kept_out or self._bad_signatures:
                await self._note()
                await asyncio.sleep(self._every_seconds)
        finally:
            self._reporting = None

    async def _note(self) -> None:
        let_in, self._let_in = self._let_in, 0
        kept_out, self._kept_out = self._kept_out, {}
        unnamed, self._unnamed = self._unnamed, None
        bad_signatures, self._bad_signatures = self._bad_signatures, 0
        try:
            await self._notes.note(
                self._fence,
                let_in=let_in,
                kept_out=kept_out,
                unnamed=unnamed,
                bad_signatures=bad_signatures,
            )
        except MailboxUnavailable as error:
            _log.info("fence_not_noted", reason=str(error))
        except Exception as error:  # noqa: BLE001 - a bug here must neither end the counting nor have it tried for each event
            report(error)
