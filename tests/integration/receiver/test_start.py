"""When the receiver starts, when it refuses to, and what it says then: rows B36, B37, B88 and B90."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import redis

from cogento.local.ports import free_port
from cogento.queue.keys import wakeups_key
from cogento.settings import ReceiverSettings, load
from tests.support.builders import SECRET
from tests.support.forked_process import start_from_nothing
from tests.support.running_receiver import GUNICORN, ROOT, is_rewriting
from tests.support.servers import wait_until
from tests.support.wire import UNSIGNED, Request, event_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.receiver.conftest import Start, Valkeys

EX_CONFIG = 78
COMMAND = [str(GUNICORN), "--config", "receiver/gunicorn_conf.py", "receiver.asgi:app"]
NOWHERE = "redis://127.0.0.1:1/0"


def refusal(**environment: str) -> str:
    """Start it with these settings and return the one line with which it refused."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    usual = {"REDIS_URL": NOWHERE, "STRIPE_WEBHOOK_SECRET": SECRET, "PORT": str(free_port())}
    ended = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env={**inherited, **usual, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == EX_CONFIG
    (line,) = ended.stderr.splitlines()
    return line


def complaint_about(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **environment: str
) -> str:
    """Read the settings as the receiver does when it starts, and return the one line with which it refuses."""
    for name, value in {"REDIS_URL": NOWHERE, "STRIPE_WEBHOOK_SECRET": SECRET, **environment}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        load(ReceiverSettings)
    assert ended.value.code == EX_CONFIG
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("STRIPE_WEBHOOK_SECRET", "", id="B36-none"),
        pytest.param("FLASK_DEBUG", "1", id="B88-debug"),
    ],
)
def test_it_does_not_start_with_settings_that_cannot_be_right(name: str, value: str) -> None:
    assert refusal(**{name: value}).startswith(f"cogento: {name} ")


@pytest.mark.parametrize(
    ("secret", "complaint"),
    [
        pytest.param("", "is not set", id="B36-none"),
        pytest.param(SECRET + "\n", "newline", id="B37-newline"),
        pytest.param(f'"{SECRET}"', "quote", id="B37-quotes"),
        pytest.param(f" {SECRET}", "space", id="B37-space"),
        pytest.param(SECRET.removeprefix("whsec_"), "whsec_", id="B37-without-whsec"),
        pytest.param("whsec_123", "cut", id="B37-cut"),
        pytest.param(f"{SECRET},", "whsec_", id="B37-empty-second"),
    ],
)
def test_it_refuses_a_secret_that_cannot_be_right(
    secret: str, complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = complaint_about(monkeypatch, capsys, STRIPE_WEBHOOK_SECRET=secret)
    assert line.startswith("cogento: STRIPE_WEBHOOK_SECRET ")
    assert complaint in line
    assert SECRET.removeprefix("whsec_") not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("REDIS_URL", "", id="B88-no-redis"),
        pytest.param("REDIS_URL", "http://:hunter2@localhost", id="B88-bad-redis"),
        pytest.param("ACK_DURABILITY", "foo", id="B88-ack-level"),
        pytest.param("STRIPE_LIVEMODE", "perhaps", id="B88-livemode"),
        pytest.param("PORT", "eighty", id="B88-port"),
    ],
)
def test_it_refuses_settings_that_cannot_be_right(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = complaint_about(monkeypatch, capsys, **{name: value})
    assert line.startswith(f"cogento: {name} ")
    assert "hunter2" not in line


@pytest.fixture
def changeable(own_valkey: Valkeys) -> Iterator[redis.Redis]:
    """The server, whose configuration is put right again."""
    with redis.Redis.from_url(own_valkey.url) as client:
        yield client
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("appendonly", "yes")
        wait_until(lambda: not is_rewriting(client), what="the append-only file to be begun anew")


def test_it_refuses_a_server_that_throws_events_away(own_valkey: Valkeys, changeable: redis.Redis) -> None:
    changeable.config_set("maxmemory-policy", "allkeys-lru")
    assert "noeviction" in refusal(REDIS_URL=own_valkey.url)


def test_it_refuses_a_server_that_cannot_give_the_ack_level(
    own_valkey: Valkeys, changeable: redis.Redis
) -> None:
    changeable.config_set("appendonly", "no")
    assert "appendonly yes" in refusal(REDIS_URL=own_valkey.url, ACK_DURABILITY="redis_fsync")


def test_it_starts_without_redis_and_accepts_once_it_is_there(own_valkey: Valkeys, start: Start) -> None:
    own_valkey.stop()
    receiver = start(own_valkey.url, start_from_nothing)
    assert receiver.get("/healthz").status == 200
    assert receiver.get("/readyz").status == 503
    assert receiver.ask(event_request("evt_start")).error == (503, "mailbox_unavailable")
    own_valkey.start()
    wait_until(lambda: receiver.get("/readyz").status == 200, what="the receiver to be ready")
    assert receiver.ask(event_request("evt_start")).outcome == (200, "queued")


def test_a_redis_that_comes_back_as_one_that_throws_events_away_is_given_none(
    own_valkey: Valkeys, changeable: redis.Redis, start: Start
) -> None:
    own_valkey.stop()
    receiver = start(own_valkey.url, start_from_nothing)
    own_valkey.start()
    changeable.config_set("maxmemory-policy", "allkeys-lru")
    assert receiver.ask(event_request("evt_evict")).error == (503, "mailbox_unavailable")
    assert receiver.stored_body("evt_evict") is None
    changeable.config_set("maxmemory-policy", "noeviction")
    assert receiver.ask(event_request("evt_evict")).outcome == (200, "queued")


def test_a_queued_event_wakes_workers(own_valkey: Valkeys, start: Start) -> None:
    receiver = start(own_valkey.url)
    receiver.redis.flushall()
    assert receiver.ask(event_request("evt_ring")).outcome == (200, "queued")
    wait_until(lambda: receiver.redis.llen(wakeups_key()) == 1, what="the wake-up to be sent")


def test_one_scrape_sees_all_processes(own_valkey: Valkeys, start: Start) -> None:
    receiver = start(own_valkey.url, WEB_CONCURRENCY="2")
    assert len(receiver.worker_pids()) == 2
    statuses = [receiver.ask(Request(b"{}", signature=UNSIGNED)).status for _ in range(50)]
    assert statuses == [400] * 50
    assert receiver.metric('cogento_webhook_requests_total{outcome="signature_invalid"}') == 50


def test_details_are_for_those_who_may_see_them(own_valkey: Valkeys, start: Start) -> None:
    """B89."""
    receiver = start(own_valkey.url, METRICS_TOKEN="let-me-in")
    bearer = "Authorization: Bearer let-me-in"
    assert receiver.get("/metrics").status == 404
    assert receiver.get("/readyz?verbose").status == 404
    assert receiver.get("/metrics", bearer).status == 200
    assert "maxmemory_policy" in receiver.get("/readyz?verbose", bearer).json["server"]


def test_every_line_it_says_is_json_and_none_has_a_secret_or_an_address(
    own_valkey: Valkeys, start: Start
) -> None:
    """B90."""
    receiver = start(own_valkey.url)
    body = event_request("evt_canary").body.replace(b"cus_1@example.com", b"canary@example.com")
    receiver.ask(Request(body))
    receiver.ask(Request(body + b"x"))
    receiver.ask(Request(body, signed_body=b"{}"))
    receiver.ask(Request(body, target="/canary@example.com"))
    receiver.stop()
    lines = receiver.log.read_text().splitlines()
    assert [json.loads(line)["process"] for line in lines] == ["receiver"] * len(lines)
    assert "canary" not in receiver.log.read_text()
    assert SECRET not in receiver.log.read_text()
