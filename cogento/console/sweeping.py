"""A sweep that somebody asks for on a page: it runs in a thread of the console, one at a time, and says how far it has come.

It is the same sweep as the workers', and its leader lease keeps two from running at once anywhere.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from cogento import runtime
from cogento.console.errors import KEY_MISSING, Failure, friendly_errors
from cogento.reconcile.reconciliation import Reconciliation
from cogento.store.activity import Action

if TYPE_CHECKING:
    from cogento.queue.mailboxes import Mailboxes
    from cogento.reconcile.sweep import Swept
    from cogento.settings import ReconcileSettings
    from cogento.store.store import Store

ANSWER_SECONDS = 5
NAME = "cogento console sweep"
ELSEWHERE = "Another sweep was under way."
BEHIND = "The workers are behind: too many events wait to be applied. Run it again later."

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SweepRun:
    """The last sweep that was asked for: by whom, when (Unix seconds), how far it came, and what stopped it."""

    who: str
    begun: int
    is_running: bool = True
    listed: int = 0
    missing: int = 0
    problem: str | None = None


class SweepRunner:
    """Runs sweeps that users ask for; `is_possible` says whether there is a key to ask Stripe with."""

    def __init__(self, settings: ReconcileSettings, mailboxes: Mailboxes, store: Store) -> None:
        self._settings = settings
        self._key_variable = settings.variable("stripe_api_key")
        self._mailboxes = mailboxes
        self._store = store
        self._changing = threading.Lock()
        self._last: SweepRun | None = None

    @property
    def is_possible(self) -> bool:
        """Whether Stripe can be asked at all."""
        return self._settings.stripe_api_key is not None

    @property
    def last(self) -> SweepRun | None:
        """The last sweep that was asked for in this process; None before the first."""
        return self._last

    def start(self, *, who: str, why: str) -> bool:
        """Begin a sweep and record who asked for it; False while one is running. Raises what Postgres raises."""
        with self._changing:
            if self._last and self._last.is_running:
                return False
            record = self._store.activity.record(who=who, action=Action.SWEEP, why=why)
            runtime.run(record, timeout_seconds=ANSWER_SECONDS)
            self._last = SweepRun(who, int(time.time()))
            threading.Thread(target=self._run, name="sweep", daemon=True).start()
            return True

    def _run(self) -> None:
        problem: str | None = None
        try:
            with friendly_errors(key_variable=self._key_variable):
                problem = self._sweep()
        except Failure as failure:
            problem = failure.message
        except Exception as error:  # noqa: BLE001 - a mistake must not leave a sweep that runs forever on the page
            _log.error("sweep_failed", exc_info=error)
            problem = "It failed with an unexpected error; the log has the details."
        if self._last is not None:
            self._last = replace(self._last, is_running=False, problem=problem)

    def _sweep(self) -> str | None:
        reconciliation = runtime.run(Reconciliation.open(self._settings, self._mailboxes, name=NAME))
        if reconciliation is None:
            return KEY_MISSING.format(variable=self._key_variable)
        try:
            swept = runtime.run(reconciliation.sweep(grace_seconds=0, report=self._report))
        finally:
            runtime.run(reconciliation.close())
        if swept is None:
            return ELSEWHERE
        self._report(swept)
        return None if swept.is_whole else BEHIND

    def _report(self, swept: Swept) -> None:
        if self._last is not None:
            self._last = replace(self._last, listed=swept.listed, missing=swept.missing)
