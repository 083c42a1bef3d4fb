"""A TCP proxy between a client and a server, with the faults that networks have.

It runs its own event loop in a thread, so that synchronous and asynchronous tests use it alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit, urlunsplit

from cogento.local.ports import LOCALHOST, free_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine

CHUNK = 65_536
TLS_GOODBYE_SECONDS = 0.1
BACKLOG = 100
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST


class Way(enum.Enum):
    """Which way bytes flow."""

    TO_SERVER = "to server"
    TO_CLIENT = "to client"


@dataclass(frozen=True, slots=True)
class Cut:
    """Cut the connection where `pattern` passes, once; `delivered` says whether the pattern still arrives."""

    pattern: bytes
    way: Way
    delivered: bool


class Proxy:
    """Passes bytes to `target` (a server's URL) until a fault is asked for.

    delay: each chunk waits · black_hole: nothing passes, connections stay · reset: open connections get
    RST, and so do new ones · refuse: open connections end, new ones are refused · cut_on: see Cut.
    `heal` ends all of them; what a black hole held back then arrives. With `tls` clients speak TLS to it;
    `lead_to` puts another server behind it from now on.
    """

    def __init__(self, target: str, *, tls: ssl.SSLContext | None = None, host: str = LOCALHOST) -> None:
        self._target = urlsplit(target)
        self._tls = tls
        self._host = host
        self.port = free_port()
        self.cuts_done = 0
        self._delay_seconds = 0.0
        self._cut: Cut | None = None
        self._resets = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def url(self) -> str:
        """The target's URL, with this proxy in the server's place."""
        login = self._target.netloc.rpartition("@")[0]
        place = f"[{self._host}]:{self.port}" if ":" in self._host else f"{self._host}:{self.port}"
        return urlunsplit(self._target._replace(netloc=f"{login}@{place}" if login else place))

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def lead_to(self, target: str) -> None:
        self._target = urlsplit(target)
        self._call(self._abort_all)

    def delay(self, seconds: float) -> None:
        self._delay_seconds = seconds

    def black_hole(self) -> None:
        self._call(self._flowing.clear)

    def cut_on(self, pattern: bytes, *, way: Way = Way.TO_SERVER, delivered: bool = False) -> None:
        self._cut = Cut(pattern, way, delivered)

    def reset(self) -> None:
        self._resets = True
        self._call(self._abort_all)

    def refuse(self) -> None:
        self._do(self._stop_listening())

    def heal(self) -> None:
        self._delay_seconds, self._cut, self._resets = 0.0, None, False
        self._call(self._flowing.set)
        self._do(self._listen())

    async def _open(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        await self._listen()

    async def _close(self) -> None:
        await self._stop_listening()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _listen(self) -> None:
        if self._listener is None:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            self._listener = socket.create_server((self._host, self.port), family=family, backlog=BACKLOG)
            self._listener.settimeout(0)
            self._loop.add_reader(self._listener, self._accept, self._listener)

    async def _stop_listening(self) -> None:
        """Refuse new connections and end the open ones in an orderly way."""
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for writer in self._writers:
            _shut(writer)

    def _accept(self, listener: socket.socket) -> None:
        plug, _ = listener.accept()

        def forget(task: asyncio.Task[None]) -> None:
            self._connections.discard(task)
            plug.close()  # also where the task was cancelled before it began

        task = self._loop.create_task(self._connect(plug))
        self._connections.add(task)
        task.add_done_callback(forget)

    async def _connect(self, plug: socket.socket) -> None:
        if self._resets:
            _reset_plug(plug)
            return
        try:
            client, to_client = await self._welcome(plug)
        except OSError:
            return
        try:
            server, to_server = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:
            _reset(to_client)
            return
        except asyncio.CancelledError:
            to_client.transport.abort()
            raise
        writers = {to_client, to_server}
        self._writers |= writers
        try:
            await asyncio.gather(
                self._pump(client, to_server, back=to_client, way=Way.TO_SERVER),
                self._pump(server, to_client, back=to_server, way=Way.TO_CLIENT),
            )
        finally:
            self._writers -= writers
            for writer in writers:  # all at once: the proxy may be closed while one is waited for
                writer.close()
            for writer in writers:
                await _closed(writer)

    async def _welcome(self, plug: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Shake hands within the connection's own task, so that closing the proxy ends handshakes, too."""
        reader = asyncio.StreamReader()
        transport, protocol = await self._loop.connect_accepted_socket(
            lambda: asyncio.StreamReaderProtocol(reader),
            plug,
            ssl=self._tls,
            ssl_shutdown_timeout=TLS_GOODBYE_SECONDS if self._tls else None,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        *,
        back: asyncio.StreamWriter,
        way: Way,
    ) -> None:
        """Pass bytes one way until their end; `back` leads to where they come from."""
        seen = b""
        with contextlib.suppress(ConnectionError):
            while chunk := await source.read(CHUNK):
                await asyncio.sleep(self._delay_seconds)
                await self._flowing.wait()
                cut = self._cut
                seen += chunk
                if cut and cut.way is way and cut.pattern in seen:
                    sink.write(chunk if cut.delivered else b"")
                    self._cut, self.cuts_done = None, self.cuts_done + 1
                    _reset(back)
                    break
                seen = seen[-len(cut.pattern) :] if cut else b""
                sink.write(chunk)
                await sink.drain()
        # shutdown() and not close(): the other direction may still have bytes to deliver.
        _shut(sink)

    def _abort_all(self) -> None:
        for writer in self._writers:
            _reset(writer)

    def _call(self, change: Callable[[], object]) -> None:
        async def apply() -> None:
            change()

        self._do(apply())

    def _do(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)


async def _closed(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _shut(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    _reset_plug(writer.get_extra_info("socket"))
    writer.transport.abort()


def _reset_plug(plug: socket.socket) -> None:
    with contextlib.suppress(OSError):
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
