"""Which packages a receiver loads: every process of it pays for their memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.builders import SECRET

ROOT = Path(__file__).parents[3]
HEAVY = ("asyncpg", "alembic", "sqlalchemy", "stripe")


def test_a_receiver_loads_nothing_of_postgres_for_the_metrics_of_the_tables() -> None:
    look = f"import sys, receiver.app, receiver.fastpath.webhook; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def loaded_under_gunicorn(names: tuple[str, ...], **environment: str) -> list[str]:
    """Return which of these a process of the receiver has loaded once it could answer."""
    look = (
        "import sys, receiver.gunicorn_conf, receiver.fastpath.server, receiver.asgi;"
        f"print(*(name for name in {names} if sys.modules.get(name)))"
    )
    variables = {"REDIS_URL": "redis://localhost:1/0", "STRIPE_WEBHOOK_SECRET": SECRET, **environment}
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, env=variables, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_a_receiver_loads_nothing_only_because_it_is_installed() -> None:
    assert loaded_under_gunicorn(("rich", "pygments", "greenlet", "yaml", "opentelemetry")) == []


def test_a_receiver_that_may_make_traces_finds_what_that_takes() -> None:
    pytest.importorskip("opentelemetry.sdk")
    assert loaded_under_gunicorn(("opentelemetry",), OTEL_SDK_DISABLED="true") == ["opentelemetry"]
