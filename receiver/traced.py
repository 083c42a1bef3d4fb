"""The intake with a trace of each webhook, in place of the plain one where traces are enabled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from cogento.events.errors import RejectedError
from cogento.tracing import CUSTOMER_ID, EVENT_ID, EVENT_TYPE, OUTCOME, SpanKind, pack_current, span
from receiver.answers import RetryLaterError
from receiver.intake import Intake

if TYPE_CHECKING:
    from cogento.events.envelope import Envelope
    from cogento.queue.claims import PutResult
    from receiver.answers import Accepted


class TracedIntake(Intake):
    """Begins a trace that continues in the worker; the application around us may have begun it.

    Trace headers of a request are ignored: anybody may send them.
    """

    __slots__ = ()

    async def handle(self, body: bytes, signature: str | None) -> Accepted:
        """As Intake.handle."""
        with span("receive webhook", kind=SpanKind.SERVER) as received:
            try:
                accepted = await super().handle(body, signature)
            except (RejectedError, RetryLaterError) as refusal:
                received.set_attribute(OUTCOME, refusal.code)
                raise
            received.set_attributes({EVENT_ID: accepted.event_id, OUTCOME: accepted.status})
            return accepted

    def _verify(self, body: bytes, signature: str | None, now: float) -> None:
        with span("verify signature"):
            super()._verify(body, signature, now)

    async def _enqueue(self, envelope: Envelope) -> PutResult:
        named = {
            EVENT_ID: envelope.event_id,
            EVENT_TYPE: envelope.type,
            CUSTOMER_ID: envelope.customer_id,
        }
        with span("put into mailbox", named, kind=SpanKind.PRODUCER):
            return await super()._enqueue(structs.replace(envelope, trace=pack_current()))
