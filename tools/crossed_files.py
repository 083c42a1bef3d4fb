"""Which of our Python files run for one event, from the socket to its row: `python -m tools.crossed_files`.

A receiver and a worker, as production starts them, process 300 events first, so that files which run only once at the start are
not counted. A worker's periodic tasks may run meanwhile, too: that is two or three files. Needs Python 3.12 (PEP 669).
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import psycopg

from bench.ground import ground
from bench.sending import flood, signed_requests
from bench.serving import RECEIVER, served
from bench.working import worker
from cogento.local.services import ROOT

FIRST = 300
ONE = "SELECT count(*) FROM cogento_internal.webhook_events"
NOTES = """
import os, sys

here, root, seen = os.path.dirname(__file__), {root!r}, set()


def note(code, _offset):
    name = code.co_filename
    if not name.startswith(root) or "/.venv/" in name:
        return sys.monitoring.DISABLE
    if name not in seen and os.path.exists(here + "/counting"):
        seen.add(name)
        with open(f"{{here}}/{{os.getpid()}}.files", "a") as file:
            print(name[len(root):], file=file)


sys.monitoring.use_tool_id(sys.monitoring.PROFILER_ID, "files")
for event in (sys.monitoring.events.PY_START, sys.monitoring.events.PY_RESUME):
    sys.monitoring.register_callback(sys.monitoring.PROFILER_ID, event, note)
sys.monitoring.set_events(
    sys.monitoring.PROFILER_ID, sys.monitoring.events.PY_START | sys.monitoring.events.PY_RESUME
)
"""


def main() -> None:
    """Print the files, and how many there are."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "sitecustomize.py").write_text(NOTES.format(root=f"{ROOT}/"))
        os.environ["PYTHONPATH"] = folder
        _take_events(here / "counting")
        files = sorted({name for notes in here.glob("*.files") for name in notes.read_text().split()})
    print(*files, len(files), sep="\n")


def _take_events(counting: Path) -> None:
    requests = signed_requests(FIRST + 1, customers=50)
    with (
        ground() as servers,
        worker(servers),
        served(RECEIVER, servers) as server,
        psycopg.connect(servers.postgres.url, autocommit=True) as connection,
    ):
        flood(server.port, requests[:FIRST])
        _await(connection, FIRST)
        counting.touch()
        flood(server.port, requests[FIRST:])
        _await(connection, FIRST + 1)
        counting.unlink()


def _await(connection: psycopg.Connection[tuple[int]], events: int) -> None:
    """Wait until so many events are in the ledger, and the worker has settled the last of them."""
    while (connection.execute(ONE).fetchone() or (0,))[0] < events:
        time.sleep(0.05)
    time.sleep(0.2)


if __name__ == "__main__":
    main()
