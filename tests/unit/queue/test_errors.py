"""Every refusal of Redis counts as an outage, and not as an event's fault."""

from __future__ import annotations

import asyncio
import socketserver
import threading
from typing import TYPE_CHECKING

import pytest

from cogento.local.ports import LOCALHOST
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.redis_commands import Call
from cogento.queue.redis_server import RedisServer
from cogento.retries import FailureClass
from cogento.store.errors import classify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

SILENCE = b""


class Answering(socketserver.ThreadingTCPServer):
    """Answers everything with one line; with silence it hangs up."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        super().__init__((LOCALHOST, 0), _Answers)


class _Answers(socketserver.BaseRequestHandler):
    server: Answering

    def handle(self) -> None:
        while self.request.recv(4096) and self.server.answer:
            self.request.sendall(self.server.answer)


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with Answering(request.param) as answering:
        threading.Thread(target=answering.serve_forever, args=(0.01,), daemon=True).start()
        yield f"redis://{LOCALHOST}:{answering.server_address[1]}"
        answering.shutdown()


ANSWERS = pytest.mark.parametrize(
    "url",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        b"-MISCONF Redis is configured to save RDB snapshots, but it cannot\r\n",
        b"-NOREPLICAS Not enough good replicas to write.\r\n",
        b"-ERR max number of clients reached\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-CLUSTERDOWN The cluster is down\r\n",
        SILENCE,
    ],
    indirect=True,
    ids=lambda answer: answer.decode().split(" ", 1)[0].strip("-") or "hangs up",
)

WANTED = pytest.mark.parametrize(
    "ask",
    [lambda client: client.ask("SET", "a", 1), lambda client: client.run(Call("status", "{a}", (1,)))],
    ids=["asked", "run"],
)


@ANSWERS
@WANTED
def test_an_error_of_redis_is_infrastructure(
    url: str, ask: Callable[[RedisServer], Awaitable[object]]
) -> None:
    async def fail() -> None:
        client = RedisServer.connect(url, timeout_seconds=0.5)
        try:
            await ask(client)
        finally:
            await client.close()

    with pytest.raises(MailboxUnavailable) as caught:
        asyncio.run(fail())
    assert classify(caught.value) is FailureClass.INFRASTRUCTURE
