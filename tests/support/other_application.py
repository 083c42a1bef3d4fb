"""Another Celery application, with everything as Celery has it by default: we must not touch its keys in Redis.

Started as `celery --app tests.support.other_application worker` with OTHER_REDIS_URL.
"""

from __future__ import annotations

import os
import time

from celery import Celery
from redis import Redis

URL = os.environ.get("OTHER_REDIS_URL", "redis://127.0.0.1:1/0")
GATE = "their gate"

app = Celery("other", broker=URL, backend=URL)
app.conf.update(worker_prefetch_multiplier=1)


@app.task(acks_late=True)  # type: ignore[untyped-decorator]
def wait_for_gate(number: int) -> int:
    """Hold a message unacknowledged until the gate is opened, and count each run."""
    with Redis.from_url(URL) as client:
        client.incr(f"their runs of {number}")
        while not client.exists(GATE):
            time.sleep(0.05)
    return number
