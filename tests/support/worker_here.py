"""A worker's process, for tests that run one within their own."""

from __future__ import annotations

from tests.support.looped import looped
from worker.process import WorkerProcess


class WorkerHere:
    """A WorkerProcess for tests without a loop."""

    def __init__(self, process: WorkerProcess) -> None:
        self.looped = process

    start = looped(WorkerProcess.start)
    stop = looped(WorkerProcess.stop)
