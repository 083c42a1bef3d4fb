"""The wake-up of a worker: one Celery message, by its task's name, that carries nothing.

Losing or doubling one is harmless, for every worker polls every half second. So a failed one is counted and dropped. Knows the name
of the worker's task, and nothing else of the worker. Celery's keys in Redis are under a prefix of ours, and the broker is ours
whatever the environment says: Redis and environment may be shared.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import structlog
from celery import Celery

from cogento.queue.keys import CELERY_PREFIX, WAKEUP_QUEUE
from cogento.queue.redis_address import RedisAddress, RedisKind
from cogento.retries import BROKER_PAUSE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DRAIN_TASK = "cogento.drain"
TIMEOUT_SECONDS = 0.5

log = structlog.get_logger()


def celery_broker(url: str) -> tuple[str, dict[str, object]]:
    """Return a URL as Celery writes it, and the options that its transport needs besides."""
    address = RedisAddress.read(url)
    if address.kind is not RedisKind.SENTINEL:
        return url, {}
    sentinels = (
        f"sentinel://{address.login}{host}:{port}/{address.database or 0}" for host, port in address.hosts
    )
    return ";".join(sentinels), {"master_name": address.master}


class WakeupCelery(Celery):  # type: ignore[misc]
    """A Celery application that is configured by its arguments alone.

    Celery itself prefers CELERY_BROKER_URL, CELERY_CONFIG_MODULE and the like to its caller's arguments, and where several
    applications share an environment these are another one's. There are no results here, and no Django.

    All of its transport's keys are under our prefix. With Celery's default names, all Celery applications on the same server
    share them: one application's consumer would put others' messages back into their queues, and deleting these keys would lose
    messages of all (celery/celery#4284).
    """

    backend_cls = "disabled"

    def __init__(
        self, broker_url: str, *, transport_options: Mapping[str, object], **configuration: object
    ) -> None:
        self._broker_url, finding = celery_broker(broker_url)
        super().__init__(
            "cogento",
            broker=self._broker_url,
            loader="celery.loaders.app:AppLoader",
            fixups=(),
            set_as_current=False,
            config_source={
                "task_default_queue": WAKEUP_QUEUE,
                "task_serializer": "json",
                "task_ignore_result": True,
                "task_send_sent_event": False,
                "broker_transport_options": {
                    "global_keyprefix": CELERY_PREFIX,
                    **finding,
                    **transport_options,
                },
                **configuration,
            },
        )

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        """Make a connection to take messages over."""
        return super().connection_for_read(url or self._broker_url, **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        """Make a connection to send messages over."""
        return super().connection_for_write(url or self._broker_url, **options)


class WorkerWakeup:
    """Sends wake-ups through Celery's broker; 0.3 to 0.8 ms each, at most about twice TIMEOUT_SECONDS when it is away.

    Connects when first used, so it may be made before a fork; for any number of threads or greenlets.
    """

    def __init__(self, broker_url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.sent = 0
        self.failures = 0
        self._monotonic = monotonic
        self._quiet_until = -float("inf")
        self._celery = WakeupCelery(
            broker_url,
            transport_options={
                "socket_timeout": TIMEOUT_SECONDS,
                "socket_connect_timeout": TIMEOUT_SECONDS,
                "health_check_interval": 0,
                "max_retries": 0,  # for connecting, which `retry=False` below does not cover
            },
        )

    def send(self) -> None:
        """Send one message, in one attempt; never raises."""
        if self._monotonic() < self._quiet_until:
            self.failures += 1
            return
        try:
            with self._celery.producer_pool.acquire(block=True) as producer:
                # kombu's handshake uses a connection that only consumers need afterwards, and would keep it open.
                producer.channel.async_pool.disconnect()
                self._celery.send_task(
                    DRAIN_TASK, queue=WAKEUP_QUEUE, ignore_result=True, retry=False, producer=producer
                )
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
