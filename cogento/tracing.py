"""Traces by OpenTelemetry, where OTEL_* variables ask for them; reporting.py loads this only then.

Nothing here is called by the code that is traced: `receiver/traced.py`, `worker/traced.py` and `cogento/reconcile/traced.py`
wrap it where a process is put together, and a process without traces has none of it. A span holds ids, types, counts and codes,
never a payload, an e-mail address or an exception's message.
"""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags

from cogento import VERSION
from cogento.events.errors import RejectedError
from cogento.reporting import code_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeAlias

    from cogento.stripe.requests import RawResponse, Transport

    Attributes: TypeAlias = Mapping[str, str | int]

__all__ = ["Link", "Span", "SpanContext", "SpanKind"]

FLUSH_SECONDS = 2
"""How long the end of a process waits for the last spans to be sent."""

EVENT_ID, EVENT_TYPE, CUSTOMER_ID = "cogento.event.id", "cogento.event.type", "cogento.customer.id"
OUTCOME = "cogento.outcome"
"""Names of attributes. The outcome is the word used in the answer or the ledger."""

_tracer = trace.get_tracer("cogento", VERSION)  # of whichever provider is set, now or later
_PROTOCOLS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


def start(process: str) -> None:
    """Send spans from now on, as the OTEL_* variables say; raises LookupError when no such exporter is installed."""
    own = {SERVICE_VERSION: VERSION, SERVICE_NAME: f"cogento-{process}"}
    if os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    ):
        del own[SERVICE_NAME]  # attributes given to `create` take precedence over these variables
    provider = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_exporter()))
    trace.set_tracer_provider(provider)
    _flush_at_exit(provider)


def _exporter() -> Any:
    """Make the exporter that is asked for, and find it as OpenTelemetry's own start-up does: by packages' entry points."""
    wanted = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if wanted == "otlp":
        protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        protocol = protocol or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
        wanted = _PROTOCOLS.get(protocol, protocol)
    for found in entry_points(group="opentelemetry_traces_exporter", name=wanted):
        return found.load()()
    raise LookupError(wanted)


def _flush_at_exit(provider: TracerProvider) -> None:
    """Have the last spans sent at the end, by a thread that exists already: none can be started so late.

    The SDK's own exit handler waits half a minute for a collector that does not answer, longer than a stop may take.
    """
    is_over = threading.Event()

    def shut_down() -> None:
        is_over.wait()
        provider.shutdown()

    closing = threading.Thread(target=shut_down, name="traces-end", daemon=True)
    closing.start()

    def end() -> None:
        is_over.set()
        closing.join(FLUSH_SECONDS)

    atexit.register(end)


def begin(
    name: str,
    attributes: Attributes | None = None,
    *,
    within: SpanContext | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[Link] = (),
    begun_ns: int | None = None,
) -> Span:
    """Begin a span whose parent is `within`, from another process, or else the current span; the caller ends it. Times are Unix nanoseconds."""
    parent = None if within is None else trace.set_span_in_context(NonRecordingSpan(within))
    return _tracer.start_span(
        name, parent, kind=kind, attributes=attributes, links=links, start_time=begun_ns
    )


@contextmanager
def span(
    name: str,
    attributes: Attributes | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[Link] = (),
    begun_ns: int | None = None,
) -> Iterator[Span]:
    """Make a span the current one until the block ends; inside a span that is not recorded it yields that span, and costs little.

    An error that leaves the block is recorded by its code alone. A refused webhook is its sender's error and does not count as
    ours.
    """
    current = trace.get_current_span()
    if current.get_span_context().is_valid and not current.is_recording():
        yield current
        return
    begun = begin(name, attributes, kind=kind, links=links, begun_ns=begun_ns)
    with trace.use_span(begun, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield begun
        except RejectedError:
            raise
        except Exception as error:
            begun.set_status(StatusCode.ERROR, code_of(error))
            raise


def pack_current() -> bytes:
    """Return the current span as stored with an event, its trace's id of 16 bytes and its own of 8; empty if it is not sampled."""
    current = trace.get_current_span().get_span_context()
    if not current.trace_flags.sampled:
        return b""
    return current.trace_id.to_bytes(16) + current.span_id.to_bytes(8)


def unpack(packed: bytes) -> SpanContext:
    """Return the span that `pack_current` packed, in whichever process."""
    trace_id, span_id = int.from_bytes(packed[:16]), int.from_bytes(packed[16:])
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def traced_transport(send: Transport) -> Transport:
    """Wrap a transport to Stripe: each attempt of a request gets a span, with the path and without the parameters."""

    async def send_traced(method: str, path: str, parameters: Mapping[str, Any]) -> RawResponse:
        verb = method.upper()
        named = {"http.request.method": verb, "url.path": path}
        # Many requests share the span's name: of an object's path, the part before its id.
        with span(f"{verb} {'/'.join(path.split('/')[:3])}", named, kind=SpanKind.CLIENT):
            return await send(method, path, parameters)

    return send_traced
