"""The live line: how many events were received and applied, how many wait or are dead, and the lag.

Read in a thread of its own, so that a server that is slow or away keeps nothing else waiting.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.console.status import read_status
from cogento.queue.mailboxes import Mailboxes
from cogento.store.store import Store

if TYPE_CHECKING:
    from cogento.console.status import StatusReport

ASK_SECONDS = 3.0
# Counting costs more as the ledger grows: at most this share of the time goes into it.
SHARE_OF_TIME = 0.02


class Pulse:
    """Keeps asking both servers; `line` is what they last said."""

    def __init__(self, database_url: str, redis_url: str, *, every_seconds: float) -> None:
        self.line = ""
        self._every_seconds = every_seconds
        self._mailboxes = Mailboxes.connect(redis_url, ack=None)
        self._store = runtime.run(
            Store.open(database_url, pool_size=1, application_name="cogento run"), timeout_seconds=ASK_SECONDS
        )
        threading.Thread(target=self._keep_asking, name="pulse", daemon=True).start()

    def _keep_asking(self) -> None:
        while True:
            begun = time.monotonic()
            try:
                self.line = describe(read_status(self._mailboxes, self._store))
            except Exception as error:  # noqa: BLE001 - whatever it is, the processes go on and so do we
                self.line = f"no numbers just now ({type(error).__name__})"
            took = time.monotonic() - begun
            time.sleep(max(self._every_seconds, took / SHARE_OF_TIME))


def describe(now: StatusReport) -> str:
    """Say how things stand in one line."""
    lag = now.oldest_event_age_seconds or 0.0
    return (
        f"received {now.received_total:,} · applied {now.applied_total:,} · waiting {now.waiting + now.parked:,}"
        f" · dead {now.dead:,} · lag {lag:.1f} s"
    )
