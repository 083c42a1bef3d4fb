"""One request and its answer on a connection: uvicorn's, without what no application of ours asks of it.

Head and body of an answer leave in one write, nothing is looked for in headers that we wrote ourselves, and a
body that came with its head is handed over without waiting.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from receiver.answers import CLOSE

if TYPE_CHECKING:
    from receiver.protocol import Message

READ_SECONDS = 10
"""How long a request may be read, from the end of its head, whoever reads it for whatever reason."""


class Exchange(RequestResponseCycle):
    """Hands a request to an ASGI application, and writes its answer, which must have a Content-Length."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._read_until = asyncio.get_running_loop().time() + READ_SECONDS
        self._head = b""

    async def receive(self) -> Message:  # type: ignore[override]  # uvicorn's messages are typed dictionaries
        """Return what has come of the body; raises TimeoutError when it has taken too long in all."""
        if self.more_body:
            async with asyncio.timeout_at(self._read_until):
                return await super().receive()
        body, self.body = self.body, bytearray()
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    async def send(self, message: Message) -> None:
        """Write a part of the answer; nothing to a client that has gone."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._begin(message)
        else:
            self._go_on(message)

    def _begin(self, message: Message) -> None:
        self.response_started, self.waiting_for_100_continue = True, False
        headers = [*self.default_headers, *message["headers"]]
        if CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append(CLOSE)
        self._head = head_of(message["status"], headers)

    def _go_on(self, message: Message) -> None:
        body = b"" if self.scope["method"] == "HEAD" else message.get("body", b"")
        self.transport.write(self._head + body)
        self._head = b""
        if not message.get("more_body", False):
            self._end()

    def _end(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def head_of(status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return an answer's status line and headers as they are written."""
    return b"".join((STATUS_LINE[status], *[b"%b: %b\r\n" % header for header in headers], b"\r\n"))
