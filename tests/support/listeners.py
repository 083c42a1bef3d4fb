"""The servers to which our processes report over HTTP, for tests: each keeps what it receives."""

from __future__ import annotations

import gzip
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Listener(ThreadingHTTPServer):
    """Listens on a free port of this machine; `answers` are the statuses of the next requests, then 200."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.targets: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def keep(self, body: bytes) -> None:
        """Keep the body of a request that is answered 200."""
        raise NotImplementedError


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 200
        self.server.targets.append(self.path)
        if status == 200:
            self.server.keep(body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


class Webhook(Listener):
    """Where alerts are sent."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        super().__init__()

    @property
    def url(self) -> str:
        return f"http://{self.address}/services/T0/B0?key=secret"

    @property
    def told(self) -> list[tuple[str, str]]:
        """The name and state of each message."""
        return [(message["alert"], message["status"]) for message in self.messages]

    def keep(self, body: bytes) -> None:
        self.messages.append(json.loads(body))


class Sentry(Listener):
    """Where errors are reported."""

    def __init__(self) -> None:
        self.envelopes: list[str] = []
        super().__init__()

    @property
    def dsn(self) -> str:
        return f"http://key@{self.address}/1"

    def keep(self, body: bytes) -> None:
        self.envelopes.append(gzip.decompress(body).decode())


class TraceCollector(Listener):
    """Where spans are sent, by OpenTelemetry's own protocol."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.spans: list[Span] = []
        self.processes: dict[bytes, str] = {}
        super().__init__()

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process send its spans here, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self.address}", "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def keep(self, body: bytes) -> None:
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {one.key: one.value.string_value for one in resource.resource.attributes}
            spans = [span for scope in resource.scope_spans for span in scope.spans]
            self.processes |= {span.span_id: named["service.name"] for span in spans}
            self.spans += spans

    def named(self, name: str) -> list[Span]:
        """The spans of one name."""
        return [span for span in self.spans if span.name == name]


def attributes_of(span: Span) -> dict[str, Any]:
    """What a span says, by name."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


L = TypeVar("L", bound=Listener)


@contextmanager
def listening(server: L) -> Iterator[L]:
    """One of these, listening until the block ends."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
