"""Traces over real processes, as a collector gets them: one trace from a webhook to its row, without any data of the row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import redis

from tests.support.builders import customer, event_body, thin_event
from tests.support.listeners import TraceCollector, attributes_of, listening
from tests.support.running_receiver import RunningReceiver
from tests.support.running_worker import RunningWorker
from tests.support.servers import RunningServer, wait_until
from tests.support.simulated_stripe import SimulatedStripe
from tests.support.stripe_asking import KEY
from tests.support.stripe_histories import START
from tests.support.wire import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from cogento.local.valkey import Valkey
    from tests.support.databases import Administration

CANARY = "Canary Person"
STRANGER = "a" * 32
EVENT_ID = "cogento.event.id"


@pytest.fixture(scope="module")
def collector() -> Iterator[TraceCollector]:
    """Where every process here sends its spans."""
    with listening(TraceCollector()) as collector:
        yield collector


@pytest.fixture(scope="module")
def receiver(
    administration: Administration,
    migrated_template: str,
    valkey_server: RunningServer[Valkey],
    collector: TraceCollector,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningReceiver]:
    """A receiver, and behind it a worker that may ask a simulated Stripe of one customer."""
    folder = tmp_path_factory.mktemp("traces")
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    stripe = SimulatedStripe()
    stripe.account.begin(stripe.customer("cus_thin"), at=START)
    asking = {"STRIPE_API_KEY": KEY, "STRIPE_API_BASE": stripe.url}
    receiver = RunningReceiver(
        valkey_server.url, folder / "receiver.log", **asking, **collector.environment, WEB_CONCURRENCY="2"
    )
    for url in administration.lend(template=migrated_template):
        worker = RunningWorker(
            valkey_server.url, url, folder / "worker.log", **asking, **collector.environment
        )
        receiver.await_answer()
        worker.await_start()
        yield receiver
        worker.process.kill()
    receiver.stop()
    stripe.close()


def awaited(find: Callable[[], list[Span]], what: str) -> Span:
    """Wait until there is the one span that is looked for."""
    wait_until(lambda: bool(find()), what=what, seconds=40)
    (found,) = find()
    return found


def trace_of(collector: TraceCollector, event_id: str) -> dict[str, Span]:
    """The trace of an event, its spans by name, once it is processed."""

    def told(name: str) -> list[Span]:
        return [one for one in collector.named(name) if attributes_of(one).get(EVENT_ID) == event_id]

    awaited(lambda: told("process event"), f"{event_id} to be processed")
    received = awaited(lambda: told("receive webhook"), f"{event_id} to be received")
    return {span.name: span for span in collector.spans if span.trace_id == received.trace_id}


def ask(receiver: RunningReceiver, name: str, *headers: str) -> str:
    """Send a customer's event of a name, and return its id."""
    event_id = f"evt_{name}"
    body = event_body("customer.created", customer(f"cus_{name}", name=CANARY), id_=event_id)
    assert receiver.ask(Request(body, headers=headers)).status == 200
    return event_id


def test_one_trace_leads_from_the_webhook_to_what_became_of_the_event(
    receiver: RunningReceiver, collector: TraceCollector
) -> None:
    spans = trace_of(collector, ask(receiver, "whole"))

    by_id = {span.span_id: span.name for span in spans.values()}
    assert {name: by_id.get(span.parent_span_id) for name, span in spans.items()} == {
        "receive webhook": None,
        "verify signature": "receive webhook",
        "put into mailbox": "receive webhook",
        "wait in mailbox": "put into mailbox",
        "process event": "put into mailbox",
    }
    processes = {name: collector.processes[span.span_id] for name, span in spans.items()}
    assert (processes["put into mailbox"], processes["process event"]) == (
        "cogento-receiver",
        "cogento-worker",
    )
    assert attributes_of(spans["receive webhook"]) == {EVENT_ID: "evt_whole", "cogento.outcome": "queued"}
    assert attributes_of(spans["process event"]) == {
        EVENT_ID: "evt_whole",
        "cogento.customer.id": "cus_whole",
        "cogento.attempts": 0,
        "cogento.outcome": "applied",
        "cogento.reason": "first",
    }
    waited = spans["wait in mailbox"]
    assert (
        waited.start_time_unix_nano <= waited.end_time_unix_nano <= spans["process event"].end_time_unix_nano
    )


def test_the_batch_that_an_event_was_in_is_a_trace_beside_it(
    receiver: RunningReceiver, collector: TraceCollector
) -> None:
    event = trace_of(collector, ask(receiver, "batch"))["process event"]
    (link,) = event.links
    batch = awaited(
        lambda: [one for one in collector.named("process batch") if one.span_id == link.span_id], "the batch"
    )

    parts = [span.name for span in collector.spans if span.parent_span_id == batch.span_id]
    assert sorted(parts) == ["apply", "claim", "settle"]
    assert event.trace_id in {linked.trace_id for linked in batch.links}
    assert batch.trace_id != event.trace_id


def test_what_a_thin_event_makes_us_ask_of_stripe_is_one_trace_to_its_row(
    receiver: RunningReceiver, collector: TraceCollector
) -> None:
    thin = thin_event("v1.customer.updated", "cus_thin", id_="evt_thin")
    assert receiver.ask(Request(json.dumps(thin).encode())).status == 200

    def fetched() -> list[Span]:
        return [
            one
            for one in collector.named("process event")
            if attributes_of(one)[EVENT_ID].startswith("evt_fetched_")
        ]

    answer = awaited(fetched, "the answer to be processed")
    fetch = awaited(lambda: collector.named("fetch objects"), "the fetch to end")
    spans = [span for span in collector.spans if span.trace_id == answer.trace_id]
    ids = {span.span_id: span.name for span in spans}
    assert {span.name: ids.get(span.parent_span_id) for span in spans} == {
        "fetch objects": None,
        "GET /v1/customers": "fetch objects",
        "put into mailboxes": "fetch objects",
        "wait in mailbox": "put into mailboxes",
        "process event": "put into mailboxes",
    }
    assert fetch.trace_id == answer.trace_id


def test_no_span_names_a_person_or_quotes_what_was_sent(
    receiver: RunningReceiver, collector: TraceCollector
) -> None:
    trace_of(collector, ask(receiver, "person"))

    sent = b"".join(collector.bodies)
    assert b"evt_person" in sent
    assert [word for word in (CANARY.encode(), b"example.com", b"whsec_", KEY.encode()) if word in sent] == []


def test_what_a_stranger_says_of_a_trace_counts_for_nothing(
    receiver: RunningReceiver, collector: TraceCollector
) -> None:
    spans = trace_of(collector, ask(receiver, "stranger", f"traceparent: 00-{STRANGER}-{'b' * 16}-01"))
    assert spans["receive webhook"].trace_id != bytes.fromhex(STRANGER)


def test_a_refused_webhook_says_why_and_is_no_error_of_ours(
    receiver: RunningReceiver, collector: TraceCollector
) -> None:
    assert receiver.ask(Request(b"{}", signature="t=1,v1=00")).status == 400

    def refused() -> list[Span]:
        return [
            one
            for one in collector.named("receive webhook")
            if attributes_of(one) == {"cogento.outcome": "signature_invalid"}
        ]

    assert awaited(refused, "the refusal").status.code == 0
