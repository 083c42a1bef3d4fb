"""A real account in a `cogento run`: its key is checked before anything starts, and a backfill runs beside everything else.

It is the backfill of `cogento backfill`: when killed, it continues in the next run. The worker polls new events.
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
    """Fills the tables from the account of a key; `text` says how far it has come, for the status line.

    It works in a thread of its own; `lines` returns messages that are to stay on the screen.
    """

    def __init__(self, settings: ReconcileSettings, key: str) -> None:
        self._settings = settings
        self._key = key
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._is_wanted = False
        self.text = ""

    def prepare(self) -> None:
        """Check the key, and let polls begin now where none has begun.

        Raises Failure with exit code 78 for a key that cannot do the work. If Stripe does not answer, `start` waits for it.
        """
        try:
            require_rights(self._settings, self._key)
            self._with_reconciliation(self._begin)
        except Failure as failure:
            if failure.exit_code == EX_CONFIG:
                raise
            self._lines.put(f"Stripe is asked again until it answers: {failure.message}")

    def start(self) -> None:
        """Begin, if there is anything to fill."""
        threading.Thread(target=self._fill, name="fill", daemon=True).start()

    def lines(self) -> Iterator[str]:
        """Return the messages that were not returned before."""
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
        """Backfill where one is wanted; raises Failure while another process is backfilling."""
        if not self._is_wanted:  # or Stripe did not answer before: ask again
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
        """Open a Reconciliation for the length of a call; errors of servers become a Failure."""
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
