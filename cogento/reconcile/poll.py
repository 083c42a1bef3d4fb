"""Polling: Stripe's list of events read every few seconds, where no webhook can reach us.

A poll is a sweep (cogento/reconcile/sweep.py) that begins a minute before the watermark; every five minutes, and after a
start, one looks as far back as any sweep. So what Stripe lists late comes with the next poll, and what comes very late
within minutes. A lock in Postgres decides which worker polls; Redis keeps the rate limit.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import structlog

from cogento.reconcile.enqueue import QueueFullError
from cogento.reconcile.reconciliation import OwnAccountError
from cogento.reconcile.sweep import OVERLAP_SECONDS, POLL_OVERLAP_SECONDS
from cogento.retries import INTERVALS, FailureClass, next_delay
from cogento.stripe.errors import StripeApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogento.reconcile.reconciliation import Reconciliation

log = structlog.get_logger()


class EventPoll:
    """One worker's part in polling; it rests while Stripe does not answer or a mailbox is full. Raises what Redis and Postgres raise."""

    def __init__(
        self,
        reconciliation: Reconciliation,
        *,
        every_seconds: int,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._reconciliation = reconciliation
        self._every_seconds = every_seconds
        self._clock = clock
        self._jitter = jitter
        self._failures = 0
        self._rests_until = self._looks_far_at = clock()

    async def run(self) -> None:
        """Poll, unless another worker has just done so or requests to Stripe are paused."""
        begun = self._clock()
        if begun < self._rests_until:
            return
        is_far = begun >= self._looks_far_at
        try:
            swept = await self._reconciliation.poll_if_due(
                every_seconds=self._every_seconds,
                overlap_seconds=OVERLAP_SECONDS if is_far else POLL_OVERLAP_SECONDS,
            )
        except OwnAccountError as error:
            log.warning("own_account_named", exc_info=error)
            self._rests_until = begun + INTERVALS.sweep_seconds
            return
        except StripeApiError as error:
            self._rest(error, at_least_seconds=error.retry_after_seconds or 0)
            return
        except QueueFullError as error:  # the next poll lists everything since then again
            self._rest(error, at_least_seconds=INTERVALS.sweep_seconds)
            return
        self._failures = 0
        if is_far and swept is not None and swept.is_whole:
            self._looks_far_at = begun + INTERVALS.sweep_seconds

    def _rest(self, error: Exception, *, at_least_seconds: float = 0) -> None:
        self._failures += 1
        delay = next_delay(FailureClass.INFRASTRUCTURE, self._failures, jitter=self._jitter())
        pause = max(self._every_seconds, delay, at_least_seconds)
        self._rests_until = self._clock() + pause
        log.warning("poll_failed", reason=str(error), again_in_seconds=round(pause, 1))
