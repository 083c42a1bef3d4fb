"""The smallest HTTP/1.1 server that Stripe's SDK and a test need: keep-alive, bodies by length, no more.

Local only: it trusts its clients. A handler may answer, wait as long as it likes, or hang up.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import parse_qsl, urlsplit

_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names in lower case, `query` decoded and in order."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class HangUpError(Exception):
    """Raised by a handler: the connection is reset instead of answered."""


Handler = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def serving(handler: Handler, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve until the block is left, and yield the server's URL; port 0 takes a free one."""
    clients = _Clients(handler)
    server = await asyncio.start_server(clients.serve, host, port)
    bound = server.sockets[0].getsockname()[1]
    try:
        yield f"http://{host}:{bound}"
    finally:
        server.close()
        await clients.close()


class _Clients:
    """The connections of one server, so that closing it does not wait for clients that stay."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("served outside a task")
        self._tasks.add(task)
        try:
            with suppress(OSError, EOFError, asyncio.CancelledError):
                await self._answer_all(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def close(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await _read_request(reader)
            try:
                response = await self._handler(request)
            except HangUpError:
                # Without lingering, abort sends RST: the client sees a reset, not an orderly end.
                connection: socket.socket = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                writer.transport.abort()
                return
            headers = {
                "Content-Type": "application/json",
                **response.headers,
                "Content-Length": len(response.body),
            }
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            phrase = HTTPStatus(response.status).phrase
            writer.write(f"HTTP/1.1 {response.status} {phrase}\r\n{lines}\r\n".encode() + response.body)
            await writer.drain()


async def _read_request(reader: asyncio.StreamReader) -> Request:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        parted = (line.partition(":") for line in lines if line)
        headers = {name.lower(): value.strip() for name, _, value in parted}
        url = urlsplit(target)
        query = tuple(parse_qsl(url.query, keep_blank_values=True))
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (ValueError, asyncio.LimitOverrunError) as error:
        raise ConnectionAbortedError("not an HTTP request") from error
    return Request(method, url.path, query, headers, body)
