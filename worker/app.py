"""Where a worker is composed; `python -m worker` runs it.

Celery starts, stops and wakes the worker; here each of these calls crosses to the event loop in which everything else runs.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from cogento.startup import prepare_to_load

prepare_to_load()

from celery import bootsteps

from cogento import reporting, runtime
from cogento.nonblocking_output import make_output_nonblocking
from cogento.queue.errors import MailboxRefused
from cogento.queue.wakeup import DRAIN_TASK
from cogento.settings import WorkerSettings, load_each, refuse
from cogento.store.errors import PostgresRefusedError
from worker import out_of_memory
from worker.celery_app import drop_celery_environment, make_celery, purge_wakeups
from worker.process import STOP_SECONDS, WorkerProcess

make_output_nonblocking()  # before Celery prints its banner
each = load_each(WorkerSettings)
settings = each[0]
reporting.configure(
    "worker",
    level=settings.log_level,
    sentry_dsn=settings.sentry_dsn.get_secret_value() if settings.sentry_dsn else None,
    sentry_environment=settings.sentry_environment,
)
drop_celery_environment()
runtime.on_error(out_of_memory.exit_if_out_of_memory)
app = make_celery(settings.wakeups_url)
process = runtime.run(WorkerProcess.open(*each))


class DrainStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Starts and stops the process with Celery: after its pool starts, before its pool stops."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **_options: Any) -> None:
        super().__init__(parent)

    def start(self, _parent: Any) -> None:
        """Begin to look for events, with an empty queue of wake-ups.

        Ends the process with exit code 78 when Redis cannot keep the promise that is configured, and when either server does not
        let us in as configured. Waits for servers that are away.
        """
        try:
            runtime.run(process.check())
            purge_wakeups(app)
        except (MailboxRefused, PostgresRefusedError) as refused:
            refuse(str(refused))
        runtime.freeze_startup_objects()
        runtime.run(process.start())

    def stop(self, _parent: Any) -> None:
        """Finish what is under way; a loop that hangs ends with the process."""
        with suppress(TimeoutError):
            runtime.run(process.stop(), timeout_seconds=STOP_SECONDS)


app.steps["worker"].add(DrainStep)


@app.task(name=DRAIN_TASK)  # type: ignore[untyped-decorator]
def drain() -> None:
    """Process what is ready."""
    runtime.run(process.wake())
