"""Which packages a worker loads: every process of it pays for their memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
UNUSED = (
    "rich",
    "pygments",
    "opentelemetry",
    "stripe",
    "greenlet",
    "yaml",
    "psutil",
    "celery.bin",
    "prompt_toolkit",
    "flask",
)
LOOK = (
    "import sys; from worker.__main__ import app; app.Worker;"
    f"print([name for name in {UNUSED} if sys.modules.get(name)])"
)


def test_a_worker_loads_nothing_only_because_it_is_installed() -> None:
    variables = {"REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": "postgresql://127.0.0.1:1/cogento"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=ROOT, env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
