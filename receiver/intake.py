"""From the bytes of a request to our promise to keep them: verify, open, fence, put.

Answers 2xx only for what the mailbox keeps or what is none of ours. Knows nothing of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol

from cogento.events.envelope import ForeignEvent, is_notice, is_ours, parse_envelope, parse_foreign_event
from cogento.events.errors import RejectedError, TransientError
from cogento.events.fence import Fence, Fenced, is_placeholder
from cogento.events.thin import is_thin
from cogento.failpoints import failpoint
from cogento.queue.mail import PutResult
from receiver import metrics
from receiver.answers import SIGNATURE_INVALID, Accepted, Status, UnavailableError
from receiver.signature import Flaw, SignatureError, Signed, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogento.events.envelope import Envelope
    from cogento.events.names import EventId
    from cogento.queue.mail import Put
    from cogento.serving.alarms import Alarms

SIGNATURE_REFUSED = "signature_invalid"
THIN_EVENT_UNSUPPORTED = "thin_event_unsupported"
NEEDS_A_KEY = "a thin event only names its object: set STRIPE_API_KEY so that Stripe can be asked for it"

PLACEHOLDER, OTHER_TYPE = "placeholder", "other_type"
"""Why an event is ignored, beside the fence's reasons."""

_STATUS = {
    PutResult.QUEUED: Status.QUEUED,
    PutResult.DUPLICATE: Status.DUPLICATE,
    PutResult.DUPLICATE_DIFFERS: Status.DUPLICATE,
}


class Mailbox(Protocol):
    """Where envelopes are kept until a worker claims them."""

    async def put(self, envelope: Envelope) -> Put:
        """Keep an envelope durably, to the ack level, before returning; raises TransientError."""


class Bell(Protocol):
    """Wakes a worker; never raises and never waits."""

    def send(self) -> None:
        """Say that there is mail."""


class Tally(Protocol):
    """Remembers what the fence lets through and keeps out, for people to see; never raises and never waits."""

    def let_in(self) -> None:
        """Note an event on this side of the fence."""

    def keep_out(self, reason: Fenced, event_id: EventId) -> None:
        """Note an event on the other side."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Whose events are ours, and what signs them.

    `secrets` mostly sign snapshot events and `thin_secrets` thin ones; each is believed for both, as one destination
    may send both (`stripe listen` does) and the body says which it is. No secret is in both.
    """

    secrets: tuple[bytes, ...] = field(repr=False)
    fence: Fence
    thin_secrets: tuple[bytes, ...] = field(repr=False, default=())
    can_ask: bool = False


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes webhooks in; `clock` gives Unix seconds."""

    expected: Expected
    mailbox: Mailbox
    bell: Bell
    alarms: Alarms
    tally: Tally
    clock: Callable[[], float]

    async def take(self, body: bytes, signature: str | None) -> Accepted:
        """Take one webhook in; raises RejectedError, or UnavailableError when Stripe shall try again."""
        now = self.clock()
        self._verify(body, signature, now)
        envelope = self._open(body, now)
        if isinstance(envelope, ForeignEvent):
            metrics.count_ignored(OTHER_TYPE)
            return Accepted(Status.IGNORED, envelope.event_id)
        reason = self._why_ignored(envelope)
        if reason is not None:
            metrics.count_ignored(reason)
            return Accepted(Status.IGNORED, envelope.event_id)
        if is_notice(envelope.type) and not self.expected.can_ask:
            self._refuse_thin()
        return Accepted(await self._keep(envelope), envelope.event_id)

    def _verify(self, body: bytes, signature: str | None, now: float) -> None:
        try:
            signed = self._signed(body, signature, now)
        except SignatureError as error:
            self._note_flaw(error)
            raise RejectedError(SIGNATURE_REFUSED, SIGNATURE_INVALID) from error
        metrics.count_signed(signed.secret_index, signed.age_seconds)

    def _signed(self, body: bytes, signature: str | None, now: float) -> Signed:
        """Find which of all our secrets signed a body, counted from snapshot events' first on to thin events' last.

        Those of thin events, whose bodies are short, are tried only where none of the others signed.
        """
        snapshot, thin = self.expected.secrets, self.expected.thin_secrets
        try:
            return verify(signature, body, secrets=snapshot, now=now)
        except SignatureError as error:
            if error.flaw is not Flaw.NO_MATCH or not thin:
                raise
        signed = verify(signature, body, secrets=thin, now=now)
        return Signed(len(snapshot) + signed.secret_index, signed.age_seconds)

    def _refuse_thin(self) -> NoReturn:
        self.alarms.sound("signed_body_refused", code=THIN_EVENT_UNSUPPORTED)
        raise RejectedError(THIN_EVENT_UNSUPPORTED, NEEDS_A_KEY)

    def _note_flaw(self, error: SignatureError) -> None:
        metrics.count_flaw(error.flaw)
        if error.age_seconds is None:
            self.alarms.sound("signature_refused", flaw=error.flaw)
            return
        # A replay, or our clock is wrong. By the next good event the gauge shows which.
        metrics.show_clock_skew(error.age_seconds)
        self.alarms.sound("timestamp_outside_window", flaw=error.flaw)

    def _open(self, body: bytes, now: float) -> Envelope | ForeignEvent:
        try:
            return parse_envelope(body, now=int(now))
        except RejectedError as error:
            if stranger := parse_foreign_event(body):
                return stranger
            if is_thin(body) and not self.expected.can_ask:
                self._refuse_thin()
            self.alarms.sound("signed_body_refused", code=error.code)
            raise

    def _why_ignored(self, envelope: Envelope) -> str | None:
        if is_placeholder(envelope):
            self.alarms.sound("placeholder_ignored", type=envelope.type)
            return PLACEHOLDER
        if envelope.livemode is None and not is_ours(
            envelope.type
        ):  # a shape of its own: it is of no other mode
            return OTHER_TYPE
        reason = self.expected.fence.why_not(envelope)
        if reason is None:
            self.tally.let_in()
            return None if is_ours(envelope.type) else OTHER_TYPE
        self.tally.keep_out(reason, envelope.event_id)
        if reason is Fenced.OTHER_MODE:
            self.alarms.sound("other_mode_fenced", event_id=envelope.event_id, livemode=envelope.livemode)
        else:
            self.alarms.sound("other_account_fenced", event_id=envelope.event_id, account=envelope.account)
        return reason

    async def _keep(self, envelope: Envelope) -> Status:
        put = await self._put(envelope)
        if put.needs_wakeup:
            self.bell.send()
        if put.result is PutResult.DUPLICATE_DIFFERS:
            metrics.count_changed_body()
            self.alarms.sound("conflicting_duplicate_received", event_id=envelope.event_id)
        return _STATUS[put.result]

    async def _put(self, envelope: Envelope) -> Put:
        failpoint("before_enqueue", envelope)
        try:
            put = await self.mailbox.put(envelope)
        except TransientError as error:
            self.alarms.sound("mailbox_failed", reason=str(error))
            raise UnavailableError("mailbox_unavailable", "The queue cannot keep this event now.") from error
        failpoint("after_enqueue", envelope)
        if put.result is PutResult.FULL:
            self.alarms.sound("queue_full")
            raise UnavailableError("mailbox_full", "Too many events wait.")
        return put
