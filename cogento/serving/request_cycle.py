"""One request and its answer on a connection: uvicorn's, without features that none of our applications uses.

Head and body of an answer leave in one write, headers that we wrote ourselves are not searched, and a body that came with its
head is passed on without waiting. Relies on internals of uvicorn's `RequestResponseCycle` in 0.54;
tests/unit/serving/test_uvicorn.py says which versions were checked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from cogento.serving.answers import CLOSE

if TYPE_CHECKING:
    from cogento.serving.answers import Message

READ_SECONDS = 10
"""How long a request may take to arrive after its head, whether the application or the server reads it."""
WRITE_SECONDS = 10
"""How long a client may leave its answer unread before the connection is cut."""


class RequestCycle(RequestResponseCycle):
    """Hands a request to an ASGI application, and writes its answer, which must have a Content-Length."""

    is_cut = False
    read_until = 0.0
    _head = b""

    def begin(self, now: float) -> None:
        """Note that it is this request's turn: from now on its body may be read."""
        self.read_until = now + READ_SECONDS

    def cut(self) -> None:
        """Note that no more of the body will come, whether it is complete or not."""
        self.keep_alive = False
        self.is_cut = self.more_body
        self.more_body = False
        self.message_event.set()

    def leave(self) -> None:
        """Note that the client has gone: nobody reads the answer."""
        self.disconnected = True
        self.message_event.set()

    async def receive(self) -> Message:  # type: ignore[override]  # uvicorn's messages are typed dictionaries
        """Return what has come of the body; raises TimeoutError when the whole body takes too long.

        A body that was cut short ends with `http.disconnect`, because a part of a chunked body looks complete.
        """
        if self.more_body:
            async with asyncio.timeout_at(self.read_until):
                message: Message = await super().receive()
        else:
            message = {"type": "http.request", "body": bytes(self.body), "more_body": False}
            self.body = bytearray()
        return {"type": "http.disconnect"} if self.is_cut else message

    async def send(self, message: Message) -> None:
        """Write a part of the answer, the head together with the first part of the body; nothing to a client that has gone."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.transport.is_closing():
            self.leave()  # a write has failed, and connection_lost is about to be called
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self.response_started, self.waiting_for_100_continue = True, False
            headers = [*self.default_headers, *message["headers"]]
            if CLOSE in headers:
                self.keep_alive = False
            elif (
                not self.keep_alive or self.more_body
            ):  # the rest of a body that nobody read is not a request
                self.keep_alive = False
                headers.append(CLOSE)
            self._head = render_head(message["status"], headers)
            return

        body = b"" if self.scope["method"] == "HEAD" else message.get("body", b"")
        self.transport.write(self._head + body)
        self._head = b""
        if not message.get("more_body", False):
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                close(self.transport)
            self.on_response()


def render_head(status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return an answer's status line and headers as they are written."""
    return b"".join((STATUS_LINE[status], *[b"%b: %b\r\n" % header for header in headers], b"\r\n"))


def close(transport: asyncio.Transport) -> None:
    """Close a connection after what was written has been sent; a client that does not read it is cut after WRITE_SECONDS."""
    transport.close()
    if transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(WRITE_SECONDS, transport.abort)
