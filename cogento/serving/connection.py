"""One connection of our servers: uvicorn's, with the rules that only a server can enforce.

What it refuses before an application sees a request (no HTTP, ambiguous lengths, long headers) is answered in JSON, and no log
line quotes it. The parser is llhttp, Node's, in its strict mode, which refuses what two servers could understand differently
(B12, B13 and B21 of docs/bad-inputs.md).

Every bound is a number in this file, heads.py or request_cycle.py; docs/limits.md has them in one table. Relies on internals of
uvicorn's `HttpToolsProtocol` in 0.54; tests/unit/serving/test_uvicorn.py says which versions were checked.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cogento.reporting import ThrottledLog
from cogento.serving.answers import CLOSE, refusal
from cogento.serving.crowd import Crowd, Stage
from cogento.serving.heads import RefusedHeadError, announced_body, check_target, split_target
from cogento.serving.listening import plain_address
from cogento.serving.request_cycle import WRITE_SECONDS, RequestCycle, render_head
from cogento.serving.silence import SilenceTimer

if TYPE_CHECKING:
    from typing import Any

    from uvicorn._types import ASGI3Application
    from uvicorn.server import ServerState

    from cogento.serving.answers import HttpAnswer

MAX_CONNECTIONS = 500
HEAD_SECONDS = 5
IDLE_SECONDS = 95
"""Longer than a proxy in front keeps a connection, so that the proxy and not this server ends it: Heroku's router keeps one for
90 s and never repeats a POST (devcenter.heroku.com/articles/http-routing#keepalives)."""
LAST_SECONDS = 1
"""How long a process that stops waits for requests that may be on their way over an idle connection."""
LINGER_SECONDS = 2.0
"""How long the rest of a refused request is read: closing with unread bytes resets the connection, and the answer may be lost."""
LINGER_BYTES = 4_194_304
MAX_HEADERS = 50
MAX_HEAD_BYTES = 65_536
"""All bytes of a request that are not body: its head, and the framing of a chunked body, trailers included."""
MAX_WAITING = 2
MAX_UNPARSED_BYTES = 16_777_216
MAX_BODIES_BYTES = 134_217_728

_END = b"\r\n\r\n"  # the end of every head in strict mode, and of every chunked body
_SMALL_BODY_BYTES = 65_536
_throttled_log = ThrottledLog(time.monotonic)
_crowds: WeakKeyDictionary[ServerState, Crowd[Connection]] = WeakKeyDictionary()


class Connection(HttpToolsProtocol):
    """Serves one connection: a head within HEAD_SECONDS and the limits, then the application.

    One request is answered at a time. Behind it one more is parsed, and the rest of what was read waits as bytes: a parsed
    request takes a hundred times the memory of its bytes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._crowd = _crowds.setdefault(self.server_state, Crowd())
        self.stage: Stage | None = None
        self._reads_head = True
        self._under_way: RequestCycle | None = None
        self.unparsed, self._parsed_to = b"", 0
        self._other_bytes = 0  # of the request being read: all but its body
        self.body_bytes = 0  # of all requests under way
        self._body_left = 0  # of the request being read; unknown for a chunked one
        self._dropped_bytes: int | None = None  # set once nothing more on this connection is parsed as HTTP
        self._is_stopping = False
        self._silence = SilenceTimer(self.loop, self._cut_off)
        self._unread_answer: asyncio.TimerHandle | None = None

    # To be overridden for an application; see receiver/fastpath/server.py.

    def count_answer(self, code: str) -> None:
        """Count an answer that the server itself gave."""

    def count_crowding(self, stage: Stage) -> None:
        """Count a connection that was closed at this stage to make room."""

    def methods_for(self, data: bytes) -> bytes | None:  # noqa: ARG002 - for those who know
        """Return the methods allowed at the address of a request with an unknown method, None where that is not known."""
        return None

    # Called by the transport.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head; with too many connections, another one makes room, or this one is refused."""
        super().connection_made(transport)
        if self.client is not None:
            self.client = (plain_address(self.client[0]), self.client[1])
        if len(self.connections) > MAX_CONNECTIONS:
            other = self._crowd.first_to_go()
            if other is None:
                _throttled_log.warning("connection_refused")
                self._refuse_with(refusal("too_many_connections"))
                return
            other.crowd_out()
        self._move(Stage.HEAD)
        self._silence.allow(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release everything that waited here; a client that leaves is not an error."""
        self._release()
        super().connection_lost(exc)
        self._silence.close()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parse what has come, as far as it is this request's turn, or refuse it."""
        if self._dropped_bytes is not None:
            self._dropped_bytes += len(data)
            if self._dropped_bytes > LINGER_BYTES:
                self._cut_off()
            return
        if self.unparsed:
            data = self.unparsed[self._parsed_to :] + data
        self.unparsed, self._parsed_to = data, 0
        self._parse()
        self._settle()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Have complete requests answered, although the client sends nothing more."""
        if not self._is_serving():
            return None
        self._end_with_this_request()
        return True

    def pause_writing(self) -> None:
        """Wait for the client to read its answers, for a limited time."""
        super().pause_writing()
        self._unread_answer = self.loop.call_later(WRITE_SECONDS, self._cut_off)

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        if self._unread_answer is not None:
            self._unread_answer.cancel()
            self._unread_answer = None
        super().resume_writing()

    def shutdown(self) -> None:
        """Answer requests that are here and those on their way, and close."""
        self._is_stopping = True
        if not self._is_serving():
            self._silence.allow(LAST_SECONDS)
        elif not self.unparsed:
            self.cycle.keep_alive = False

    # Called by the parser.

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        self._reads_head = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Note the address; raises RefusedHeadError."""
        super().on_url(url)
        check_target(self.url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header; raises RefusedHeadError.

        A trailer after a chunked body is ignored: nothing may be added to a head that was checked.
        """
        if self._reads_head:
            self.headers.append((name.lower(), value))
            if len(self.headers) > MAX_HEADERS:
                raise RefusedHeadError("headers_too_large")

    def on_headers_complete(self) -> None:
        """Have the request answered; its head came in time. Raises RefusedHeadError."""
        if len(self.pipeline) == MAX_WAITING:
            raise RefusedHeadError("bad_request")
        self._reads_head = False
        self._silence.end()
        body = announced_body(self.headers, http_version=self.parser.get_http_version())
        self._body_left, self.expect_100_continue = body.most_bytes, body.waits_for_continue

        path, raw_path, query = split_target(self.url)
        self.scope |= {
            "method": self.parser.get_method().decode("ascii"),
            "http_version": self.parser.get_http_version(),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
        }
        may_stay = self.scope["http_version"] != "1.0" and self.parser.should_keep_alive()
        cycle = RequestCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=may_stay and not (self._is_stopping and not self.unparsed),
            on_response=self.on_response_complete,
        )

        before, self.cycle = self.cycle, cycle
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:  # it waits for its turn, and what comes after it stays unparsed
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """Pass on a part of a body."""
        self._other_bytes -= len(body)
        self.body_bytes += len(body)
        self._body_left -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of a request."""
        self._other_bytes = self._body_left = 0
        super().on_message_complete()

    # Called by a request cycle.

    def on_response_complete(self) -> None:
        """Begin with the next request."""
        self.body_bytes = 0
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cast("RequestCycle", cycle), app)
        else:
            self._silence.allow(IDLE_SECONDS)
        if self.unparsed:
            self._parse()
        if self._is_stopping and not self.unparsed:
            self.shutdown()
        self._settle()

    # Reading.

    def _parse(self) -> None:
        """Parse what was read until a request waits for its turn, and read nothing more while one does."""
        while self.unparsed and not self.pipeline and self._dropped_bytes is None:
            part = self._next_part()
            self._other_bytes += len(part)
            try:
                self.parser.feed_data(part)
            except httptools.HttpParserUpgrade:
                self._end_with_this_request()  # this request is answered as HTTP, and what follows is not HTTP
            except httptools.HttpParserError as error:
                self._refuse(error, bytes(part))
            else:
                if self._other_bytes > MAX_HEAD_BYTES:
                    self._answer("headers_too_large" if self._reads_head else "bad_request", flaw="TooLong")
        if self.pipeline:
            self.flow.pause_reading()

    def _next_part(self) -> bytes | memoryview:
        """Return at most as much as can hold the end of one head; of a body everything there is."""
        data, begin = self.unparsed, self._parsed_to
        first = second = -1
        if self._body_left < len(data) - begin:
            first = data.find(_END, begin)
            # Searching one byte is ten times as fast as four, and hardly any body contains this one.
            second = data.find(_END, first + 1) if first >= 0 and data.find(b"\r", first + 4) >= 0 else -1
        if second < 0:
            self.unparsed, self._parsed_to = b"", 0
            return memoryview(data)[begin:] if begin else data
        self._parsed_to = first + len(_END)
        return memoryview(data)[begin : self._parsed_to]

    def _start_asgi_task(self, cycle: RequestCycle, app: ASGI3Application) -> None:  # type: ignore[override]
        self._under_way = cycle
        cycle.begin(self.loop.time())
        super()._start_asgi_task(cycle, app)

    # Refusing.

    def _refuse(self, error: httptools.HttpParserError, data: bytes) -> None:
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
        if isinstance(cause, RefusedHeadError):
            self._answer(cause.code, flaw=type(cause).__name__)
        elif isinstance(cause, httptools.HttpParserInvalidMethodError) and (allow := self.methods_for(data)):
            self._answer("method_not_allowed", (b"allow", allow), flaw="UnknownMethod")
        else:
            self._answer("bad_request", flaw=type(cause).__name__)

    def _answer(self, code: str, *headers: tuple[bytes, bytes], flaw: str) -> None:
        _throttled_log.warning("request_refused", code=code, flaw=flaw)
        if self._is_serving():
            self._end_with_this_request()
        else:
            self._refuse_with(refusal(code), *headers)

    def _is_serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _end_with_this_request(self) -> None:
        """Have the requests that are here answered with what came of them; nothing after them is read."""
        self._dropped_bytes, self.unparsed, self._parsed_to = 0, b"", 0
        cast("RequestCycle", self.cycle).cut()

    def _refuse_with(self, answer: HttpAnswer, *headers: tuple[bytes, bytes]) -> None:
        """Send an answer of the server's own, and read on for a moment: closing with unread bytes can lose the answer."""
        self.count_answer(answer.outcome)
        self._dropped_bytes, self.unparsed, self._parsed_to = 0, b"", 0
        self._move(Stage.REFUSED)
        self._silence.allow(LINGER_SECONDS)
        pairs = [*self.server_state.default_headers, *headers, *answer.headers, CLOSE]
        self.transport.write(render_head(answer.http_status, pairs) + answer.body)
        self.transport.write_eof()

    # Bounds.

    def _settle(self) -> None:
        """Note what this connection waits for now, and enforce the limits that hold for all connections together."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            self._move(Stage.BODY if cycle.more_body and not self.pipeline else None)
            if self.body_bytes > _SMALL_BODY_BYTES:
                self._bound_bodies()
            if self.unparsed and sum(len(each.unparsed) for each in self._everyone()) > MAX_UNPARSED_BYTES:
                self._end_with_this_request()  # only parsed requests are answered
        elif self._dropped_bytes is None:
            if self._reads_head and self.stage is not Stage.HEAD:
                self._silence.allow(HEAD_SECONDS)
            self._move(Stage.HEAD if self._reads_head else Stage.IDLE)

    def _bound_bodies(self) -> None:
        """Cut the longest incomplete body when the bodies of all connections take too much memory."""
        held = [each for each in self._everyone() if each.body_bytes]
        if sum(each.body_bytes for each in held) > MAX_BODIES_BYTES:
            unfinished = [each for each in held if each.stage is Stage.BODY]
            for longest in sorted(unfinished, key=lambda each: each.body_bytes)[-1:]:
                longest.crowd_out()

    def _everyone(self) -> set[Connection]:
        """Return the connections of this server, all of which are of this class."""
        return cast("set[Connection]", self.connections)

    def crowd_out(self) -> None:
        """Cut this connection, because others need its place or memory."""
        _throttled_log.warning("connection_crowded_out", stage=self.stage)
        self.count_crowding(self.stage or Stage.REFUSED)
        self._cut_off()

    def _cut_off(self) -> None:
        self._release()
        self.transport.abort()

    def _release(self) -> None:
        """Release what is held for a client that has gone or has to go."""
        self._move(None)
        for cycle, _ in self.pipeline:
            cast("RequestCycle", cycle).leave()
        if self._under_way is not None:
            self._under_way.leave()
        self.pipeline.clear()
        self.unparsed, self._parsed_to, self.body_bytes = b"", 0, 0
        self._dropped_bytes = 0

    def _move(self, stage: Stage | None) -> None:
        if stage is not self.stage:
            self._crowd.move(self, self.stage, stage)
            self.stage = stage
