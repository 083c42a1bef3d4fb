"""The wake-up of a worker: one Celery message, by its task's name, that carries nothing.

To lose or double one is harmless, for every worker polls once a second. So a failed one is counted and forgotten.
Knows the name of the worker's task, and nothing else of the worker.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import structlog
from celery import Celery

from cogento.retries import BROKER_PAUSE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

DRAIN_TASK = "cogento.drain"
QUEUE = "cogento"
UNACKNOWLEDGED_KEYS = {
    "unacked_key": f"{QUEUE}.unacked",
    "unacked_index_key": f"{QUEUE}.unacked_index",
    "unacked_mutex_key": f"{QUEUE}.unacked_mutex",
}
"""Where kombu's Redis transport keeps messages that a consumer took and did not acknowledge, by the names of its
options. Its own names are every Celery application's on the same server: whoever consumes would give others'
messages back to their queues, and whoever empties these keys would lose them (celery/celery#4284).
"""

TIMEOUT_SECONDS = 0.5

log = structlog.get_logger()


class WorkerWakeup:
    """Sends wake-ups through Celery's broker; 0.3 to 0.8 ms each, at most about twice TIMEOUT_SECONDS when it is away.

    Connects when first used, so it may be made before a fork; for any number of threads or greenlets.
    """

    def __init__(self, broker_url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.sent = 0
        self.failures = 0
        self._monotonic = monotonic
        self._quiet_until = -float("inf")
        self._celery = Celery(broker=broker_url, set_as_current=False, fixups=())
        self._celery.conf.update(
            task_serializer="json",
            task_ignore_result=True,
            task_send_sent_event=False,
            broker_transport_options={
                "socket_timeout": TIMEOUT_SECONDS,
                "socket_connect_timeout": TIMEOUT_SECONDS,
                "health_check_interval": 0,
                "max_retries": 0,  # of connecting, which `retry=False` below does not cover
                **UNACKNOWLEDGED_KEYS,
            },
        )

    def send(self) -> None:
        """Send one message, in one attempt; never raises."""
        if self._monotonic() < self._quiet_until:
            self.failures += 1
            return
        try:
            self._celery.send_task(DRAIN_TASK, queue=QUEUE, ignore_result=True, retry=False)
        except Exception as error:  # noqa: BLE001 - whatever it is, the event itself is safe
            self._quiet_until = self._monotonic() + BROKER_PAUSE_SECONDS
            self.failures += 1
            log.warning("wakeup_failed", error=type(error).__name__)
        else:
            self.sent += 1

    def close(self) -> None:
        """Close the connections to the broker."""
        self._celery.close()


class BackgroundWakeup:
    """Sends wake-ups from a thread of its own, so that an answer never waits for Celery's broker.

    Those asked for while one is under way become one.
    """

    def __init__(self, wakeup: WorkerWakeup) -> None:
        self._wakeup = wakeup
        self._wanted = threading.Event()
        threading.Thread(target=self._send_wanted, name="wakeup", daemon=True).start()

    def send(self) -> None:
        """Have a wake-up sent soon; never raises and never waits."""
        self._wanted.set()

    def _send_wanted(self) -> None:
        while self._wanted.wait():
            self._wanted.clear()
            self._wakeup.send()
