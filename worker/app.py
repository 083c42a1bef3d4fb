"""Where a worker is composed: `celery --app worker.app worker --pool=threads`."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

from cogento import reporting, runtime
from cogento.nonblocking_output import make_output_nonblocking
from cogento.queue.wakeup import DRAIN_TASK
from cogento.settings import WorkerSettings, load
from worker import out_of_memory
from worker.celery_app import make_celery, purge_wakeups
from worker.process import WorkerProcess

make_output_nonblocking()  # before Celery greets
settings = load(WorkerSettings)
reporting.configure(
    "worker",
    level=settings.log_level,
    sentry_dsn=settings.sentry_dsn.get_secret_value() if settings.sentry_dsn else None,
)
runtime.on_error(out_of_memory.exit_if_out_of_memory)
app = make_celery(settings.redis_url.get_secret_value(), concurrency=settings.worker_concurrency)
process = WorkerProcess(settings)


class DrainStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Starts and stops the process with Celery: after its pool starts, before its pool stops."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **_options: Any) -> None:
        super().__init__(parent)

    def start(self, _parent: Any) -> None:
        """Begin to look for events, with an empty queue of wake-ups."""
        process.require_entry()
        purge_wakeups(app)
        process.start()

    def stop(self, _parent: Any) -> None:
        """Finish what is under way."""
        process.stop()


app.steps["worker"].add(DrainStep)


@app.task(name=DRAIN_TASK)  # type: ignore[untyped-decorator]
def drain() -> None:
    """Process what is ready."""
    try:
        process.wake()
    except MemoryError:
        out_of_memory.exit_now()
