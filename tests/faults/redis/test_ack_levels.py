"""What a 2xx promises is asked of the server at start and ever after, and never silently less."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import redis

from tests.support import servers
from tests.support.builders import SECRET
from tests.support.proxy import Proxy
from tests.support.redis_pipeline import assert_unavailable, event_id, new_event, start_worker
from tests.support.running_receiver import ROOT, is_rewriting
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cogento.local.valkey import Valkey
    from tests.support.redis_pipeline import Pipeline

    Valkeys = servers.RunningServer[Valkey]

EX_CONFIG = 78
REFUSED = '"event": "periodic_task_failed"'
NOWHERE = "postgresql://127.0.0.1:1/nothing"
NO_FILE = {"appendonly": "no"}
UNSYNCED = {"appendfsync": "no"}
EACH_SECOND = {"appendfsync": "everysec"}
PAUSED_FOR_REWRITES = {"no-appendfsync-on-rewrite": "yes"}
USUAL = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}


@pytest.fixture(scope="module")
def reconfigured(valkey_server: Valkeys, faults_home: Path) -> Iterator[Valkeys]:
    """A server for this module alone: one whose file was begun anew under it is not trusted afterwards."""
    server = servers.start_valkey(faults_home / "reconfigured")
    yield server
    server.stop()


@pytest.fixture
def other(reconfigured: Valkeys) -> Iterator[redis.Redis]:
    """A connection to it; its configuration is put right again."""
    with redis.Redis.from_url(reconfigured.url) as client:
        yield client
        configure(client, USUAL)


@pytest.fixture
def usual_again(pipeline: Pipeline) -> Iterator[None]:
    """The pipeline's own server, synced with every write afterwards."""
    yield
    configure(pipeline.redis, USUAL)


def configure(client: redis.Redis, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        client.config_set(name, value)
    wait_until(lambda: not is_rewriting(client), what="the append-only file to be begun anew")


def started(program: str, *, redis_url: str, ack: str) -> subprocess.CompletedProcess[str]:
    """Start a process with this ack level and let it end."""
    given = {"REDIS_URL": redis_url, "DATABASE_URL": NOWHERE, "ACK_DURABILITY": ack}
    return subprocess.run(
        [sys.executable, "-m", program],
        cwd=ROOT,
        env={**os.environ, **given, "STRIPE_WEBHOOK_SECRET": SECRET},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("settings", [NO_FILE, UNSYNCED, EACH_SECOND, PAUSED_FOR_REWRITES], ids=str)
def test_a_receiver_refuses_to_promise_what_the_server_does_not_keep(
    other: redis.Redis, reconfigured: Valkeys, settings: Mapping[str, str]
) -> None:
    configure(other, settings)
    refused = started("receiver", redis_url=reconfigured.url, ack="redis_fsync")
    assert refused.returncode == EX_CONFIG
    assert "ACK_DURABILITY=redis_fsync needs" in refused.stderr


@pytest.mark.parametrize("settings", [NO_FILE, UNSYNCED], ids=str)
@pytest.mark.parametrize("program", ["receiver", "worker"])
def test_t23_the_level_redis_is_a_demand_that_is_refused_where_it_is_not_met(
    other: redis.Redis, reconfigured: Valkeys, settings: Mapping[str, str], program: str
) -> None:
    configure(other, settings)
    refused = started(program, redis_url=reconfigured.url, ack="redis")
    assert refused.returncode == EX_CONFIG
    assert "ACK_DURABILITY=redis needs" in refused.stderr


@pytest.mark.parametrize("ack", ["", "memory"])
def test_t23_a_receiver_that_promises_memory_needs_no_file_and_says_how_little_that_is(
    other: redis.Redis, reconfigured: Valkeys, ack: str
) -> None:
    configure(other, NO_FILE)
    begun = started("receiver", redis_url=reconfigured.url, ack=ack)
    assert begun.returncode == 0
    assert '"ack": "memory"' in begun.stdout
    assert "in memory only" in begun.stdout


def test_a_worker_refuses_to_promise_what_the_server_does_not_keep(
    other: redis.Redis, reconfigured: Valkeys
) -> None:
    configure(other, UNSYNCED)
    refused = started("worker", redis_url=reconfigured.url, ack="redis_fsync")
    assert refused.returncode == EX_CONFIG
    assert "ACK_DURABILITY=redis_fsync needs" in refused.stderr


def test_the_level_is_told_to_whoever_asks(pipeline: Pipeline) -> None:
    assert pipeline.receiver.get("/readyz").json == {"status": "ready", "ack_durability": "redis_fsync"}


def test_a_server_that_is_configured_to_promise_less_is_given_nothing_more(
    pipeline: Pipeline, usual_again: None
) -> None:
    assert pipeline.ask(new_event()) == 200
    configure(pipeline.redis, EACH_SECOND)
    wait_until(lambda: pipeline.ask(new_event()) == 503, what="the receiver to notice")
    assert_unavailable(pipeline.receiver.ask(new_event()))
    wait_until(lambda: not pipeline.is_ready(), what="its readiness to tell")
    configure(pipeline.redis, USUAL)
    pipeline.await_ready()
    assert pipeline.ask(new_event()) == 200


def test_a_worker_that_finds_out_late_says_so_and_works_once_the_server_is_right(
    pipeline: Pipeline, usual_again: None, tmp_path: Path
) -> None:
    log, request = tmp_path / "worker.log", new_event()
    with pipeline.worker_asleep(), Proxy(pipeline.valkey.url) as proxy:
        proxy.refuse()
        worker = start_worker(log, proxy.url, pipeline.database_url, ACK_DURABILITY="redis_fsync")
        assert pipeline.receiver.ask(request).outcome == (200, "queued")
        configure(pipeline.redis, EACH_SECOND)
        proxy.heal()
        wait_until(lambda: log.read_text().count(REFUSED) > 2, what="the worker to say so, and again")
        assert event_id(request) not in pipeline.ledger()
        configure(pipeline.redis, USUAL)
        wait_until(lambda: event_id(request) in pipeline.ledger(), what="the worker to apply it")
        worker.kill()
