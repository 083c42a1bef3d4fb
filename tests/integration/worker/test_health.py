"""`python -m worker.health`, as a container engine asks it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cogento.local.ports import free_port
from cogento.queue.worker_registry import Heartbeat

if TYPE_CHECKING:
    from tests.support.post import Post

ROOT = Path(__file__).parents[3]


def ask(redis_url: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "worker.health"],
        env={"REDIS_URL": redis_url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()


def test_a_worker_of_this_host_that_beats_is_healthy(post: Post, redis_url: str) -> None:
    worker = Heartbeat(f"{socket.gethostname()}:1", "1", started_ms=1, took_ms=None)
    post.mailboxes.workers.beat(worker, {})
    assert ask(redis_url) == (0, "at work")


def test_another_host_s_worker_does_not_count(post: Post, redis_url: str) -> None:
    post.mailboxes.workers.beat(Heartbeat("elsewhere:1", "1", started_ms=1, took_ms=None), {})
    assert ask(redis_url) == (1, "no worker of this host takes work")


def test_a_redis_that_is_away_is_no_reason_for_a_restart() -> None:
    assert ask(f"redis://127.0.0.1:{free_port()}/0") == (0, "unknown: Redis does not answer")
