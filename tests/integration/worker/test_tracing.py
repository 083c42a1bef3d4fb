"""A worker continues an event's trace, and sends the last spans when it stops."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from msgspec import structs

from cogento.events.envelope import ANY_TIME, parse_envelope
from tests.support.builders import customer, event_body
from tests.support.listeners import TraceCollector, listening
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.post import Post
    from tests.support.running_worker import RunningWorker

TRACE, SPAN = b"t" * 16, b"s" * 8


def test_a_worker_that_stops_has_told_of_every_event(
    post: Post, start_worker: Callable[..., RunningWorker]
) -> None:
    body = event_body("customer.created", customer("cus_1"), id_="evt_1")
    post.mailboxes.put([structs.replace(parse_envelope(body, now=ANY_TIME), trace=TRACE + SPAN)])
    with listening(TraceCollector()) as collector:
        worker = start_worker(**collector.environment | {"OTEL_BSP_SCHEDULE_DELAY": "600000"})
        wait_until(lambda: bool(post.rows("SELECT FROM users")), what="the event to be applied", seconds=40)
        worker.send(signal.SIGTERM)
        worker.await_death(seconds=40)

    continued = [
        span.name for span in collector.spans if (span.trace_id, span.parent_span_id) == (TRACE, SPAN)
    ]
    assert continued == ["wait in mailbox", "process event"]
