"""What a receiver loads: memory is paid for by every process of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HEAVY = ("asyncpg", "alembic", "sqlalchemy", "stripe")


def test_a_receiver_loads_nothing_of_postgres_for_the_metrics_of_the_tables() -> None:
    look = f"import sys, receiver.app, receiver.fastpath.webhook; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
