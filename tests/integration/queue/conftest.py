"""Mailboxes on a real server, and a server of the test's own to be hurt."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest
import redis

from cogento.queue.durability import AckDurability
from cogento.queue.enqueue import AsyncEnqueuer
from cogento.queue.mailboxes import Mailboxes
from tests.support import servers
from tests.support.mailbox_invariants import broken_invariants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Protocol

    from cogento.events.envelope import Envelope
    from cogento.local.valkey import Valkey
    from cogento.queue.checks import ServerFacts
    from cogento.queue.claims import Put

    OwnServer = servers.RunningServer[Valkey]
    StartServer = Callable[[Mapping[str, str]], OwnServer]

    class Connect(Protocol):
        def __call__(self, url: str, *, ack: AckDurability | None = ..., shards: int = ...) -> Mailboxes: ...

    class Putter(Protocol):
        """What can be put into, from a thread or from an event loop."""

        def check(self) -> ServerFacts: ...

        def put(self, envelopes: Sequence[Envelope]) -> list[Put]: ...

    class ConnectPutter(Protocol):
        def __call__(self, url: str, *, ack: AckDurability | None = ..., shards: int = ...) -> Putter: ...


class LoopedEnqueuer:
    """A postbox with an event loop of its own, for tests that have none."""

    def __init__(self, postbox: AsyncEnqueuer) -> None:
        self._postbox = postbox
        self._runner = asyncio.Runner()

    def check(self) -> ServerFacts:
        return self._runner.run(self._postbox.check())

    def put(self, envelopes: Sequence[Envelope]) -> list[Put]:
        self._runner.run(asyncio.sleep(0.01))  # a loop that is never idle has seen by now who hung up
        return self._runner.run(self._postbox.put(envelopes))

    def close(self) -> None:
        self._runner.run(self._postbox.close())
        self._runner.close()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connect to the mailboxes of a server for the length of the test."""
    connected: list[Mailboxes] = []

    def connect(
        url: str, *, ack: AckDurability | None = AckDurability.REDIS_FSYNC, shards: int = 1
    ) -> Mailboxes:
        connected.append(Mailboxes.connect(url, ack=ack, shards=shards))
        return connected[-1]

    yield connect
    for mailboxes in connected:
        mailboxes.close()


@pytest.fixture(params=["from a thread", "from an event loop"])
def connect_putter(request: pytest.FixtureRequest, connect: Connect) -> Iterator[ConnectPutter]:
    """Connect what puts, for the length of the test: each test that asks for it runs with both kinds."""
    looped: list[LoopedEnqueuer] = []

    def connect_looped(
        url: str, *, ack: AckDurability | None = AckDurability.REDIS_FSYNC, shards: int = 1
    ) -> LoopedEnqueuer:
        looped.append(LoopedEnqueuer(AsyncEnqueuer(url, ack=ack, shards=shards)))
        return looped[-1]

    yield connect if request.param == "from a thread" else connect_looped
    for postbox in looped:
        postbox.close()


@pytest.fixture
def mailboxes(redis_url: str, connect: Connect) -> Iterator[Mailboxes]:
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
