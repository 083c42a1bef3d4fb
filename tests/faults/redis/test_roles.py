"""Redis as another server: demoted, replaced, without a free connection, with another password or certificate.

F23 to F25. Such a server is refused with a reason, never trusted; and everything works again once it is as before.
"""

from __future__ import annotations

import ssl
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from cogento import runtime
from cogento.queue.durability import AckDurability
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.redis_server import RedisServer
from tests.support import servers
from tests.support.looped import LoopedMailboxes
from tests.support.proxy import Proxy
from tests.support.redis_pipeline import assert_unavailable, event_id, new_event, new_events
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cogento.local.valkey import Valkey
    from tests.faults.redis.conftest import StartPair
    from tests.support.redis_pipeline import Pipeline, Running

    StartSuccessor = Callable[..., str]

OLD, NEW = "canary-old-password", "canary-new-password"


def test_f23_a_replica_is_no_place_for_events(pipeline: Pipeline) -> None:
    pipeline.send(new_events(20))
    pipeline.redis.replicaof("127.0.0.1", 9)
    demoted = pipeline.receiver.ask(new_event())
    ready = pipeline.receiver.get("/readyz")
    pipeline.redis.replicaof("NO", "ONE")
    assert_unavailable(demoted)
    assert ready.status == 503
    pipeline.await_ready()
    pipeline.send(new_events(20))
    pipeline.await_applied()


def test_f23_a_worker_bears_a_demotion_in_the_middle_of_its_turn(pipeline: Pipeline) -> None:
    failures = len(pipeline.logged("mailboxes_unavailable"))
    with pipeline.worker_in_a_turn():
        pipeline.redis.replicaof("127.0.0.1", 9)
    wait_until(lambda: len(pipeline.logged("mailboxes_unavailable")) > failures, what="a settle to fail")
    pipeline.redis.replicaof("NO", "ONE")
    pipeline.await_applied()


@pytest.fixture
def start_successor(faults_home: Path) -> Iterator[StartSuccessor]:
    """Start another server, which has nothing of what the first one had."""
    started: list[servers.RunningServer[Valkey]] = []

    def start(**settings: str) -> str:
        started.append(servers.start_valkey(faults_home / "successor", settings=settings))
        return started[-1].url

    yield start
    for server in started:
        server.stop()


def test_f23_a_successor_that_promises_less_is_not_believed(
    pipeline: Pipeline, start_successor: StartSuccessor
) -> None:
    pipeline.send(new_events(20))
    pipeline.await_applied()
    pipeline.proxy.lead_to(start_successor(appendonly="no"))
    refused = pipeline.receiver.ask(new_event())
    ready = pipeline.receiver.get("/readyz")
    pipeline.proxy.lead_to(pipeline.valkey.url)
    assert_unavailable(refused)
    assert ready.status == 503
    pipeline.await_ready()
    pipeline.send(new_events(20))
    pipeline.await_applied()


def test_f23_a_successor_that_keeps_the_promise_is_worked_with_at_once(
    pipeline: Pipeline, start_successor: StartSuccessor
) -> None:
    pipeline.send(new_events(20))
    pipeline.await_applied()
    pipeline.proxy.lead_to(start_successor())
    pipeline.await_ready()
    pipeline.send(new_events(20))
    wait_until(lambda: not pipeline.unaccounted(), what="the worker to find the successor")
    pipeline.proxy.lead_to(pipeline.valkey.url)


def test_f24_a_redis_without_a_free_connection_is_a_503(pipeline: Pipeline) -> None:
    allowed: Any = pipeline.redis.config_get("maxclients")
    pipeline.redis.config_set("maxclients", 1)
    pipeline.redis.client_kill_filter(_type="normal", skipme=True)
    refused = pipeline.receiver.ask(new_event())
    pipeline.redis.config_set("maxclients", int(allowed["maxclients"]))
    assert_unavailable(refused)
    pipeline.await_ready()
    pipeline.send(new_events(20))
    pipeline.await_applied()


def test_f24_at_the_limit_who_is_connected_goes_on(pipeline: Pipeline) -> None:
    allowed: Any = pipeline.redis.config_get("maxclients")
    pipeline.send(new_events(20))
    pipeline.redis.config_set("maxclients", 1)
    with closing(LoopedMailboxes.connect(pipeline.valkey.url, ack=AckDurability.REDIS)) as stranger:
        with pytest.raises(MailboxUnavailable):
            stranger.now_ms()
        assert pipeline.ask(new_event()) == 200
        pipeline.await_applied()
    pipeline.redis.config_set("maxclients", int(allowed["maxclients"]))


def test_f25_with_the_old_password_all_is_refused_and_with_the_new_one_all_is_well(
    pipeline: Pipeline, start_pair: StartPair
) -> None:
    set_password(pipeline, OLD)
    with pipeline.worker_asleep():
        old, first = start_pair(with_password(pipeline, OLD)), new_event()
        wait_until(lambda: old.receiver.ask(first).status == 200, what="the old receiver to accept it")
        wait_until(lambda: event_id(first) in pipeline.ledger(), what="the old worker to apply it")
        wait_until(lambda: old.receiver.waiting() == 0, what="the old worker to settle it")
        set_password(pipeline, NEW)
        pipeline.redis.client_kill_filter(_type="normal", skipme=True)
        assert_refuses_because("refuses the user or password", old)
        wait_until(lambda: "refuses the user or password" in old.worker_says(), what="the worker to say so")
        new, request = start_pair(with_password(pipeline, NEW)), new_event()
        wait_until(lambda: new.receiver.ask(request).status == 200, what="the new receiver to accept it")
        wait_until(lambda: event_id(request) in pipeline.ledger(), what="the new worker to apply it")
        assert OLD not in old.logs() + new.logs()
        assert NEW not in old.logs() + new.logs()


def assert_refuses_because(reason: str, pair: Running) -> None:
    """Ask until its alarm says why, which it does at most once in ten seconds."""
    assert_unavailable(pair.receiver.ask(new_event()))
    wait_until(
        lambda: pair.receiver.ask(new_event()).status == 503 and reason in pair.receiver.log.read_text(),
        what=f"the receiver to say {reason}",
        seconds=20,
    )


def set_password(pipeline: Pipeline, password: str) -> None:
    pipeline.redis.acl_setuser(
        "app",
        enabled=True,
        reset_passwords=True,
        passwords=[f"+{password}"],
        keys=["*"],
        channels=["*"],
        categories=["+@all"],
    )


def with_password(pipeline: Pipeline, password: str) -> str:
    return pipeline.valkey.url.replace("redis://", f"redis://app:{password}@")


class Certificate:
    """A self-signed certificate of this machine."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        files = ["-keyout", str(self.key), "-out", str(self.path)]
        alternative = ["-addext", "subjectAltName=IP:127.0.0.1"]
        try:
            subprocess.run([*command.split(), *alternative, *files], check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("makes its certificates with openssl, which is not installed")


def test_every_new_connection_over_tls_can_be_used_at_once(pipeline: Pipeline, tmp_path: Path) -> None:
    ours, tls = Certificate(tmp_path, "ours"), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(ours.path, ours.key)
    with Proxy(pipeline.valkey.url, tls=tls) as proxy:
        url = f"{proxy.url.replace('redis://', 'rediss://')}?ssl_ca_certs={ours.path}"
        answers = [ask_once(url) for _ in range(100)]

    assert answers == [b"heard"] * 100


def ask_once(url: str) -> object:
    """Ask over a connection of its own."""

    async def ask() -> object:
        server = RedisServer.connect(url, timeout_seconds=1)
        try:
            return await server.ask("ECHO", "heard")
        finally:
            await server.close()

    return runtime.run(ask())


def test_f25_a_certificate_that_is_not_known_is_refused_and_never_ignored(
    pipeline: Pipeline, tmp_path: Path, start_pair: StartPair
) -> None:
    ours, another = Certificate(tmp_path, "ours"), Certificate(tmp_path, "another")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(ours.path, ours.key)
    with Proxy(pipeline.valkey.url, tls=tls) as proxy, pipeline.worker_asleep():
        pair = start_pair(f"{proxy.url.replace('redis://', 'rediss://')}?ssl_ca_certs={ours.path}")
        request = new_event()
        wait_until(lambda: pair.receiver.ask(request).status == 200, what="the receiver to accept it")
        pipeline.accepted.add(event_id(request))
        wait_until(lambda: not pipeline.unaccounted(), what="the worker to apply it")
        tls.load_cert_chain(another.path, another.key)
        proxy.lead_to(pipeline.valkey.url)
        assert_refuses_because("is not one that this machine trusts", pair)
        wait_until(
            lambda: "is not one that this machine trusts" in pair.worker_says(), what="the worker to say so"
        )
        tls.load_cert_chain(ours.path, ours.key)
        wait_until(lambda: pair.receiver.get("/readyz").status == 200, what="the receiver to be ready")
