"""Watches mailboxes and tables once a second, so that every page shows what is known already.

One thread asks, however many look; a page costs the servers nothing but its own stories. A server that
does not answer leaves a gap in the picture and nothing else.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from cogento import runtime
from cogento.console import stories
from cogento.console.failures import postgres_problem
from cogento.console.memory import LINES_SHOWN, History, Sample
from cogento.events.retry import FailureClass
from cogento.queue.errors import MailboxDenied, MailboxUnavailable
from cogento.queue.figures import read_figures
from cogento.store.errors import classify
from cogento.store.recent import Settled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.console.overview import Overview
    from cogento.console.stories import AmbiguousQuery, Explanation, PartialExplanation
    from cogento.queue.mailboxes import Mailboxes
    from cogento.store.store import Store

EVERY_SECONDS = 1.0
ANSWER_SECONDS = 5.0

# How far back rows that changed are looked for: since the last look, and what a transaction may take to commit.
LOOK_BACK_SECONDS = 3
FIRST_LOOK_BACK_SECONDS = 600

_log = structlog.get_logger()


class StatusPoller:
    """Remembers the last two minutes; safe for any number of threads that look."""

    def __init__(self, mailboxes: Mailboxes, store: Store) -> None:
        self._mailboxes = mailboxes
        self._store = store
        self._memory = History()
        self._remembering = threading.Lock()
        self._look_back_seconds = FIRST_LOOK_BACK_SECONDS
        self._counted: tuple[int, Mapping[str, int]] | None = None  # the totals, at the second of a look

    def start(self) -> None:
        """Poll once a second from now on, in a thread of this process."""
        threading.Thread(target=self._repeat, name="watching", daemon=True).start()

    def look(self) -> None:
        """Poll once; that a server is away is part of what is seen."""
        look = self._look_at_tables(self._look_at_mail(Sample(second=int(time.time()))))
        with self._remembering:
            self._memory.add(look)

    def overview(self) -> Overview:
        """Add up what was seen."""
        with self._remembering:
            return self._memory.overview()

    def explain(self, asked: str) -> Explanation | PartialExplanation | AmbiguousQuery | None:
        """Ask for a story; raises what the servers raise."""
        return stories.tell(asked, self._mailboxes, self._store)

    def _look_at_mail(self, look: Sample) -> Sample:
        try:
            return replace(look, mail=read_figures(self._mailboxes))
        except MailboxDenied as denied:
            return replace(look, queue_problem=str(denied))
        except MailboxUnavailable:
            return look

    def _look_at_tables(self, look: Sample) -> Sample:
        try:
            return runtime.run(self._read_tables(look), timeout_seconds=ANSWER_SECONDS)
        except Exception as error:
            if classify(error) is FailureClass.BUG:
                raise
            return replace(look, tables_problem=postgres_problem(error))

    async def _read_tables(self, look: Sample) -> Sample:
        # The long look is tried once: where ten minutes hold too much to read in time, it stays with the short.
        back, self._look_back_seconds = self._look_back_seconds, LOOK_BACK_SECONDS
        recent = self._store.recent
        tables = await self._store.figures()
        if self._counted is None:
            settled = await recent.pace(look_back_seconds=back)
        else:
            settled = _growth(*self._counted, until=look.second, after=tables.outcomes)
        seen = replace(
            look,
            tables=tables,
            settled=settled,
            customers=await recent.customers(look_back_seconds=back, limit=LINES_SHOWN),
            subscriptions=await recent.subscriptions(look_back_seconds=back, limit=LINES_SHOWN),
        )
        self._counted = (look.second, tables.outcomes)
        return seen

    def _repeat(self) -> None:
        """Poll at each second's beginning, so that every second is polled once."""
        while True:
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - a mistake in one poll must not end the thread
                _log.error("poll_failed", exc_info=error)
            time.sleep(EVERY_SECONDS - time.time() % EVERY_SECONDS)


def _growth(since: int, before: Mapping[str, int], *, until: int, after: Mapping[str, int]) -> list[Settled]:
    """Tell what totals have grown by between two looks, evenly over the seconds from one to the other."""
    seconds = range(since, until) or range(since, since + 1)
    shares = {outcome: divmod(total - before[outcome], len(seconds)) for outcome, total in after.items()}
    return [
        Settled(second, outcome, share + (place < rest))
        for outcome, (share, rest) in shares.items()
        for place, second in enumerate(seconds)
        if share or place < rest
    ]
