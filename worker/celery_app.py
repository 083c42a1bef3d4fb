"""The Celery application: a wake-up task arrives, and wakes a worker loop.

A message carries nothing: losing or doubling one is harmless, so nothing of Celery's reliability is
needed and everything that costs (results, events, gossip, remote control) is off. JSON only: another
serialisation in the queue is refused. Delays live in the mailboxes, never in ETA or
countdown, which a Redis broker keeps in worker memory.
"""

from __future__ import annotations

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from cogento.queue.wakeup import QUEUE, UNACKNOWLEDGED_KEYS

log = structlog.get_logger()

CONFIGURATION = {
    "accept_content": ["json"],
    "task_serializer": "json",
    "result_serializer": "json",
    "event_serializer": "json",
    "result_accept_content": ["json"],
    "result_backend": None,
    "task_ignore_result": True,
    "task_default_queue": QUEUE,
    "task_acks_late": False,
    "task_send_sent_event": False,
    "worker_send_task_events": False,
    "worker_enable_remote_control": False,
    "worker_prefetch_multiplier": 1,
    "worker_pool": "threads",
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "broker_connection_retry": True,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # A broker that is full, read-only or cannot write its file is away: without this Celery would end.
    "broker_channel_error_retry": True,
    "broker_transport_options": {
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "health_check_interval": 10,
        **UNACKNOWLEDGED_KEYS,
    },
    "enable_utc": True,
}


def make_celery(broker_url: str) -> Celery:
    """An application that takes wake-ups from `broker_url`, one at a time; it has no task yet."""
    app = Celery("cogento", broker=broker_url)
    app.conf.update(CONFIGURATION, worker_concurrency=1)
    return app


def purge_wakeups(app: Celery) -> None:
    """Drop every wake-up that waits: a worker that starts looks at the mailboxes anyway. Others' messages stay.

    Celery ends the process on a message whose frame it cannot read and puts that message back, so that
    without this the next process would end on it too.
    """
    connection = app.connection_for_write()
    try:
        with connection:
            connection.ensure_connection(max_retries=1)
            connection.default_channel.queue_purge(QUEUE)
            connection.default_channel.client.delete(*UNACKNOWLEDGED_KEYS.values())
    except (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors) as error:
        log.warning("wakeups_not_purged", exc_info=error)
