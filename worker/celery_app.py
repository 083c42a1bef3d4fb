"""The Celery application: a wake-up task arrives, and wakes a worker loop.

A message carries nothing: losing or doubling one is harmless, so Celery's reliability features are not needed, and everything
that costs time (results, events, gossip, remote control) is off. JSON only: another serialisation in the queue is refused.
Delays live in the mailboxes, never in ETA or countdown, which a Redis broker keeps in worker memory.
"""

from __future__ import annotations

import os
from typing import Any

import structlog
from kombu.exceptions import OperationalError

from cogento.queue.errors import MailboxDenied, MailboxRefused, MailboxUnavailable
from cogento.queue.keys import WAKEUP_QUEUE
from cogento.queue.redis_commands import translated
from cogento.queue.wakeup import WakeupCelery

log = structlog.get_logger()

CONFIGURATION: dict[str, object] = {
    "worker_concurrency": 1,
    "accept_content": ["json"],
    "result_serializer": "json",
    "event_serializer": "json",
    "result_accept_content": ["json"],
    "task_acks_late": False,
    "worker_send_task_events": False,
    "worker_enable_remote_control": False,
    "worker_prefetch_multiplier": 1,
    "worker_pool": "threads",
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "broker_connection_retry": True,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # A broker that is full, read-only or cannot write its file counts as away: without this Celery would exit.
    "broker_channel_error_retry": True,
    "enable_utc": True,
}
TRANSPORT_OPTIONS = {"socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 10}


def make_celery(broker_url: str) -> WakeupCelery:
    """An application that takes wake-ups from `broker_url`, one at a time; it has no task yet."""
    return WakeupCelery(broker_url, transport_options=TRANSPORT_OPTIONS, **CONFIGURATION)


def drop_celery_environment() -> None:
    """Unset what Celery's command would read from the environment for this worker: queues, a purge, another pool.

    Celery reads the options of `worker` after it has imported the application, so call this during that import. The variables
    belong to another application; see docs/shared-redis.md.
    """
    dropped = sorted(name for name in os.environ if name.startswith("CELERY_"))
    for name in dropped:
        del os.environ[name]
    if dropped:
        log.info("celery_environment_ignored", variables=dropped)


def purge_wakeups(app: WakeupCelery) -> None:
    """Drop every waiting wake-up: a worker that starts polls the mailboxes anyway. Other applications' messages stay.

    Celery ends the process on a message whose frame it cannot read and puts that message back, so that
    without this the next process would end on it too. Raises MailboxRefused where the user may not do this.
    """
    connection = app.connection_for_write()
    try:
        with connection, translated(lambda: None):
            connection.ensure_connection(max_retries=1)
            channel: Any = connection.default_channel
            channel.queue_purge(WAKEUP_QUEUE)
            # The client adds our prefix, as to all keys.
            channel.client.delete(channel.unacked_key, channel.unacked_index_key, channel.unacked_mutex_key)
    except MailboxDenied as denied:
        raise MailboxRefused(str(denied)) from denied
    except (
        OperationalError,
        MailboxUnavailable,
        *connection.connection_errors,
        *connection.channel_errors,
    ) as error:
        log.warning("wakeups_not_purged", exc_info=error)
