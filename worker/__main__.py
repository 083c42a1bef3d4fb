"""`python -m worker`: one worker process, which Celery starts, wakes and stops.

`celery --app worker.app worker` runs the same, but also loads everything else that Celery's command line can do, which takes
memory for as long as the process runs.
"""

from __future__ import annotations

from cogento.startup import prepare_to_load

prepare_to_load()

from worker.app import app


def main() -> None:
    """Work until a signal ends it; then the process ends with Celery's exit code, or 78 for settings that can never be right."""
    worker = app.Worker(without_gossip=True, without_mingle=True, without_heartbeat=True)
    worker.start()
    raise SystemExit(worker.exitcode)


if __name__ == "__main__":
    main()
