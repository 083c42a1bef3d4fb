"""A Celery application with one task that does nothing but say when it ran; see bench/freshness.py."""

from __future__ import annotations

import os
import time

import redis
from celery import Celery

RAN = "bench:ran"
URL = os.environ.get("REDIS_URL", "")

app = Celery("noop", broker=URL, set_as_current=False)
app.conf.update(task_ignore_result=True, task_default_queue="noop", worker_enable_remote_control=False)
_client = redis.Redis.from_url(URL) if URL else None


@app.task(name="noop")  # type: ignore[untyped-decorator]
def noop() -> None:
    """Say when this ran."""
    ran = time.time()
    if _client:
        _client.rpush(RAN, ran)
