"""What a 2xx promises is asked of the server at start and ever after, and never silently less."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.builders import SECRET
from tests.faults.redis.pipeline import assert_unavailable, event_id, new_event, start_worker
from tests.integration.receiver.running import ROOT, is_rewriting
from tests.proxy import Proxy
from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import redis

    from tests.faults.redis.pipeline import Pipeline

EX_CONFIG = 78
NO_FILE = {"appendonly": "no"}
UNSYNCED = {"appendfsync": "no"}
EACH_SECOND = {"appendfsync": "everysec"}
PAUSED_FOR_REWRITES = {"no-appendfsync-on-rewrite": "yes"}
USUAL = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}


@pytest.fixture
def changeable(pipeline: Pipeline) -> Iterator[redis.Redis]:
    """The server, whose configuration is put right again."""
    yield pipeline.redis
    configure(pipeline.redis, USUAL)


def configure(client: redis.Redis, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        client.config_set(name, value)
    wait_until(lambda: not is_rewriting(client), what="the append-only file to be begun anew")


def start_check(program: tuple[str, ...], pipeline: Pipeline, ack: str) -> subprocess.CompletedProcess[str]:
    """Start a process with this ack level and let it end."""
    given = {"REDIS_URL": pipeline.valkey.url, "DATABASE_URL": pipeline.database_url, "ACK_DURABILITY": ack}
    return subprocess.run(
        [sys.executable, "-m", *program],
        cwd=ROOT,
        env={**os.environ, **given, "STRIPE_WEBHOOK_SECRET": SECRET},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("settings", [NO_FILE, UNSYNCED, EACH_SECOND, PAUSED_FOR_REWRITES], ids=str)
def test_a_receiver_refuses_to_promise_what_the_server_does_not_keep(
    pipeline: Pipeline, changeable: redis.Redis, settings: Mapping[str, str]
) -> None:
    configure(changeable, settings)
    refused = start_check(("receiver",), pipeline, "redis_fsync")
    assert refused.returncode == EX_CONFIG
    assert "ACK_DURABILITY=redis_fsync needs" in refused.stderr


def test_a_receiver_that_promises_a_reply_needs_no_file(pipeline: Pipeline, changeable: redis.Redis) -> None:
    configure(changeable, NO_FILE)
    assert start_check(("receiver",), pipeline, "redis").returncode == 0


def test_a_worker_refuses_to_promise_what_the_server_does_not_keep(
    pipeline: Pipeline, changeable: redis.Redis
) -> None:
    configure(changeable, NO_FILE)
    celery = ("celery", "--app", "worker.app", "worker", "--pool=threads", "--without-heartbeat")
    refused = start_check(celery, pipeline, "redis_fsync")
    assert refused.returncode == EX_CONFIG
    assert "ACK_DURABILITY=redis_fsync needs" in refused.stderr


def test_the_level_is_told_to_whoever_asks(pipeline: Pipeline) -> None:
    assert pipeline.receiver.get("/readyz").json == {"status": "ready", "ack_durability": "redis_fsync"}


def test_a_server_that_is_configured_to_promise_less_is_given_nothing_more(
    pipeline: Pipeline, changeable: redis.Redis
) -> None:
    assert pipeline.ask(new_event()) == 200
    configure(changeable, EACH_SECOND)
    wait_until(lambda: not pipeline.is_ready(), what="the receiver to notice")
    assert_unavailable(pipeline.receiver.ask(new_event()))
    configure(changeable, USUAL)
    pipeline.await_ready()
    assert pipeline.ask(new_event()) == 200


def test_a_worker_that_finds_out_late_says_so_and_works_once_the_server_is_right(
    pipeline: Pipeline, changeable: redis.Redis, tmp_path: Path
) -> None:
    log, request = tmp_path / "worker.log", new_event()
    with pipeline.worker_asleep(), Proxy(pipeline.valkey.url) as proxy:
        proxy.refuse()
        worker = start_worker(log, proxy.url, pipeline.database_url, ACK_DURABILITY="redis_fsync")
        assert pipeline.receiver.ask(request).outcome == (200, "queued")
        configure(changeable, EACH_SECOND)
        proxy.heal()
        wait_until(lambda: "ACK_DURABILITY=redis_fsync needs" in log.read_text(), what="the worker to say so")
        assert event_id(request) not in pipeline.ledger()
        configure(changeable, USUAL)
        wait_until(lambda: event_id(request) in pipeline.ledger(), what="the worker to apply it")
        worker.kill()
