"""A keep-alive HTTP/1.1 connection that posts bodies and reads statuses, and no more than that.

Written on asyncio's streams because a sender of a thousand webhooks a second must leave the CPU to the system it tests. Knows
nothing of Stripe.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_HEAD_END = b"\r\n\r\n"


class BrokenAnswerError(OSError):
    """The other side answered something that is not HTTP."""


class HttpConnection:
    """One connection to one server, opened when needed and again when the server has closed it."""

    def __init__(self, url: SplitResult) -> None:
        self._url = url
        self._head = (
            f"POST {url.path or '/'}{'?' + url.query if url.query else ''} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, headers: str, body: bytes) -> int:
        """Send a body under these header lines and return the status of the answer.

        Raises OSError or EOFError (asyncio's IncompleteReadError) when there is none; after any exception,
        cancellation included, the next call opens a new connection.
        """
        reader, writer = await self._open()
        try:
            head = f"{self._head}{headers}Content-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            status, stays_open = await _read_answer(reader)
        except BaseException:
            self.close()
            raise
        if not stays_open:
            self.close()
        return status

    def close(self) -> None:
        """Close at once; the connection may be used again."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and self._streams[0].at_eof():
            self.close()
        if self._streams is None:
            is_secure = self._url.scheme == "https"
            port = self._url.port or (443 if is_secure else 80)
            self._streams = await asyncio.open_connection(self._url.hostname, port, ssl=is_secure or None)
        return self._streams


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Read an answer to its end; its status and whether the connection stays open are returned."""
    try:
        head = (await reader.readuntil(_HEAD_END)).lower()
        status = int(head[9:12])
        parted = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        headers = {name.strip(): value.strip() for name, _, value in parted}
        stays_open = headers.get(b"connection") != b"close"
        if b"chunked" in headers.get(b"transfer-encoding", b""):
            while size := int((await reader.readline()).partition(b";")[0] or b"0", 16):
                await reader.readexactly(size + 2)
            await reader.readuntil(b"\r\n")
        elif b"content-length" in headers:
            await reader.readexactly(int(headers[b"content-length"]))
        elif status not in {204, 304}:
            stays_open = False
            with suppress(asyncio.IncompleteReadError):
                await reader.read()
    except (ValueError, asyncio.LimitOverrunError) as error:
        raise BrokenAnswerError("not an HTTP answer") from error
    return status, stays_open
