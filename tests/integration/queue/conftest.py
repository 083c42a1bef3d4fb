"""Mailboxes on a real server, and a server of the test's own for faults."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import redis

from cogento.queue.durability import AckDurability
from tests.support import servers
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_invariants import broken_invariants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Protocol

    from cogento.local.valkey import Valkey

    OwnServer = servers.RunningServer[Valkey]
    StartServer = Callable[[Mapping[str, str]], OwnServer]

    class Connect(Protocol):
        def __call__(
            self, url: str, *, ack: AckDurability | None = ..., shards: int = ...
        ) -> LoopedMailboxes: ...


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connect to the mailboxes of a server for the length of the test."""
    connected: list[LoopedMailboxes] = []

    def connect(
        url: str, *, ack: AckDurability | None = AckDurability.REDIS_FSYNC, shards: int = 1
    ) -> LoopedMailboxes:
        connected.append(LoopedMailboxes.connect(url, ack=ack, shards=shards))
        return connected[-1]

    yield connect
    for mailboxes in connected:
        mailboxes.close()


@pytest.fixture
def mailboxes(redis_url: str, connect: Connect) -> Iterator[LoopedMailboxes]:
    yield connect(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        assert broken_invariants(client) == []


@pytest.fixture
def start_server(redis_url: str) -> Iterator[StartServer]:
    """Start a server with settings of the test's own; asks for `redis_url` to skip where there is none."""
    assert redis_url
    home = servers.make_home()
    started: list[OwnServer] = []

    def start(settings: Mapping[str, str]) -> OwnServer:
        started.append(servers.start_valkey(home, settings={**servers.QUICK_VALKEY, **settings}))
        return started[-1]

    yield start
    for server in started:
        server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def own_server(start_server: StartServer) -> OwnServer:
    """A server that the test may kill, freeze and configure."""
    return start_server({})
