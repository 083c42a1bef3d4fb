"""Mailboxes on a real server, and a server of the test's own to be hurt."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import redis

from mailboxes.durability import AckDurability
from mailboxes.mailboxes import Mailboxes
from tests import servers
from tests.mailbox_invariants import broken_invariants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from local.valkey import Valkey

    OwnServer = servers.RunningServer[Valkey]
    StartServer = Callable[[Mapping[str, str]], OwnServer]


@pytest.fixture
def mailboxes(redis_url: str) -> Iterator[Mailboxes]:
    mailboxes = Mailboxes.connect(redis_url, ack=AckDurability.REDIS_FSYNC)
    yield mailboxes
    mailboxes.close()
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
