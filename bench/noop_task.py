"""A Celery application with one task that does nothing but say when it ran; see bench/freshness.py."""

from __future__ import annotations

import os
import time

import redis
from celery import Celery

NAME, RAN = "noop", "bench:ran"


def make_app(url: str) -> Celery:
    """Make the application on this broker."""
    made = Celery("noop", broker=url, set_as_current=False)
    made.conf.update(task_ignore_result=True, task_default_queue="noop", worker_enable_remote_control=False)
    return made


# Celery's worker imports this module, with the variable set; the publisher makes an application for its own broker.
_url = os.environ.get("REDIS_URL", "")
app = make_app(_url)
_client = redis.Redis.from_url(_url) if _url else None


@app.task(name=NAME)  # type: ignore[untyped-decorator]
def noop() -> None:
    """Say when this ran."""
    ran = time.time()
    if _client:
        _client.rpush(RAN, ran)
