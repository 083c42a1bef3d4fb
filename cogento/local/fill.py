"""A real account in a `cogento run`: its key is judged before anything starts, and a backfill runs beside everything else.

The backfill is the one of `cogento backfill`: killed, it goes on with the next run. New events are the worker's to poll.
"""

from __future__ import annotations

import random
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.cli.options import current_user
from cogento.console.connections import ASKING_CONNECTIONS, connect
from cogento.console.errors import Failure, friendly_errors
from cogento.console.formatting import join_words
from cogento.console.stripe_key import require_rights
from cogento.events.kinds import KINDS
from cogento.reconcile.reconciliation import Reconciliation
from cogento.retries import FailureClass, next_delay
from cogento.settings import EX_CONFIG
from cogento.store.activity import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogento.reconcile.backfill import Backfilled
    from cogento.settings import ReconcileSettings

NAME = "cogento run backfill"
ELSEWHERE = "another backfill is under way"


class AccountFill:
    """Fills the tables from the account of a key; `text` says how far it is, for whoever shows a status line.

    It works in a thread of its own, and gives the lines that stay to whoever calls `lines`.
    """

    def __init__(self, settings: ReconcileSettings, key: str) -> None:
        self._settings = settings
        self._key = key
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._is_wanted = False
        self.text = ""

    def prepare(self) -> None:
        """Judge the key, and let polls begin now where none has begun.

        Raises Failure with exit code 78 for a key that cannot do the work. A Stripe that does not answer is waited for
        by `start`.
        """
        try:
            require_rights(self._settings, self._key)
            self._with_reconciliation(self._begin)
        except Failure as failure:
            if failure.exit_code == EX_CONFIG:
                raise
            self._lines.put(f"Stripe is asked again until it answers: {failure.message}")

    def start(self) -> None:
        """Begin, if anything is to be filled."""
        threading.Thread(target=self._fill, name="fill", daemon=True).start()

    def lines(self) -> Iterator[str]:
        """Take the lines that were not shown yet."""
        while not self._lines.empty():
            yield self._lines.get()

    def _fill(self) -> None:
        failures = 0
        while True:
            try:
                self._with_reconciliation(self._fill_once)
            except Failure as failure:
                failures += 1
                problem = failure.message
            except Exception as error:  # noqa: BLE001 - whatever it is, the processes go on and so do we
                failures += 1
                problem = type(error).__name__
            else:
                self.text = ""
                return
            pause = max(1.0, next_delay(FailureClass.INFRASTRUCTURE, failures, jitter=random.random()))
            self.text = f"backfill waits: {problem}"
            time.sleep(pause)

    def _begin(self, reconciliation: Reconciliation) -> None:
        self._is_wanted = runtime.run(reconciliation.begin_polling())

    def _fill_once(self, reconciliation: Reconciliation) -> None:
        """Backfill where one is wanted; raises Failure while somebody else is at it."""
        if not self._is_wanted:  # or Stripe did not answer when that was asked
            self._begin(reconciliation)
        if not self._is_wanted:
            return
        begun = time.monotonic()
        done = runtime.run(reconciliation.backfill(report=self._report))
        if done is None:
            raise Failure(ELSEWHERE)
        objects = {kind.plural: done.objects(kind) for kind in KINDS}
        runtime.run(
            reconciliation.record(Action.BACKFILL, who=current_user(), why="cogento run", details=objects)
        )
        self._lines.put(f"Backfilled {_counts(done)} in {time.monotonic() - begun:,.0f} s.")

    def _report(self, done: Backfilled) -> None:
        self.text = f"backfill {done.share:.0%}: {_counts(done)}"

    def _with_reconciliation(self, do: Callable[[Reconciliation], object]) -> None:
        """Open the way to Stripe for the length of a call; what servers do meanwhile is a Failure."""
        with friendly_errors():
            mailboxes = connect(self._settings)
            try:
                opening = Reconciliation.open(
                    self._settings, mailboxes, name=NAME, connections=ASKING_CONNECTIONS
                )
                reconciliation = runtime.run(opening)
                if reconciliation is None:
                    raise Failure("set STRIPE_API_KEY", exit_code=EX_CONFIG)
                try:
                    do(reconciliation)
                finally:
                    runtime.run(reconciliation.close())
            finally:
                runtime.run(mailboxes.close())


def _counts(done: Backfilled) -> str:
    return join_words(f"{done.objects(kind):,} {kind.plural}" for kind in KINDS)
