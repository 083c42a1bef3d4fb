from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from cogento.serving.connection import Connection
from cogento.serving.listening import everywhere, plain_address

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope


def test_server_listens_to_ipv6_and_ipv4_alike() -> None:
    assert everywhere(8000) == "[::]:8000"


def test_server_listens_to_ipv4_where_the_system_has_no_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refuse)
    assert everywhere(8000) == "0.0.0.0:8000"


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:cb00:7107", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("::1", "::1"),
        ("203.0.113.7", "203.0.113.7"),
    ],
)
def test_ipv4_address_of_an_ipv6_socket_is_written_as_itself(address: str, plain: str) -> None:
    assert plain_address(address) == plain


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_whoever_comes_to_both_is_known_by_his_own_address(address: str) -> None:
    """Else all of IPv4 would be one IPv6 network for whoever counts by networks, as the login does."""

    async def client_seen() -> str:
        connected: asyncio.Queue[tuple[str, int] | None] = asyncio.Queue()

        class Seen(Connection):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                connected.put_nowait(self.client)
                transport.close()

        config = Config(_answer, ws="none", lifespan="off", proxy_headers=False)
        listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        server = await asyncio.get_running_loop().create_server(
            lambda: Seen(config, ServerState(), {}), sock=listener
        )
        _, writer = await asyncio.open_connection(address, listener.getsockname()[1])
        seen = await connected.get()
        writer.close()
        server.close()
        assert seen
        return seen[0]

    assert asyncio.run(client_seen()) == address


async def _answer(_scope: Scope, _receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
    """Answer nothing."""
