"""From the bytes of a request to our promise to keep them: verify, open, fence, put.

Answers 2xx only for what the mailbox keeps or what is none of ours. Knows nothing of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from events.envelope import is_ours, open_envelope
from events.errors import RejectedError, TransientError
from failpoints import failpoint
from mailboxes.mail import PutResult
from receiver import metrics
from receiver.answers import SIGNATURE_INVALID, Accepted, Status, UnavailableError
from receiver.signature import SignatureError, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from events.envelope import Envelope
    from mailboxes.mail import Put
    from receiver.alarms import Alarms

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

    def ring(self) -> None:
        """Say that there is mail."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Whose events are ours; `account` None means: events without an account."""

    secrets: tuple[bytes, ...] = field(repr=False)
    livemode: bool
    account: str | None


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes webhooks in; `clock` gives Unix seconds."""

    expected: Expected
    mailbox: Mailbox
    bell: Bell
    alarms: Alarms
    clock: Callable[[], float]

    async def take(self, body: bytes, signature: str | None) -> Accepted:
        """Take one webhook in; raises RejectedError, or UnavailableError when Stripe shall try again."""
        now = self.clock()
        self._verify(body, signature, now)
        envelope = self._open(body, now)
        reason = self._why_ignored(envelope)
        if reason is not None:
            metrics.count_ignored(reason)
            return Accepted(Status.IGNORED, envelope.event_id)
        return Accepted(await self._keep(envelope), envelope.event_id)

    def _verify(self, body: bytes, signature: str | None, now: float) -> None:
        try:
            signed = verify(signature, body, secrets=self.expected.secrets, now=now)
        except SignatureError as error:
            self._note_flaw(error)
            raise RejectedError("signature_invalid", SIGNATURE_INVALID) from error
        metrics.count_signed(signed.secret_index, signed.age_seconds)

    def _note_flaw(self, error: SignatureError) -> None:
        metrics.count_flaw(error.flaw)
        if error.age_seconds is None:
            self.alarms.sound("signature_refused", flaw=error.flaw)
            return
        # A replay, or our clock is wrong. By the next good event the gauge shows which.
        metrics.show_clock_skew(error.age_seconds)
        self.alarms.sound("timestamp_outside_window", flaw=error.flaw)

    def _open(self, body: bytes, now: float) -> Envelope:
        try:
            return open_envelope(body, now=int(now))
        except RejectedError as error:
            self.alarms.sound("signed_body_refused", code=error.code)
            raise

    def _why_ignored(self, envelope: Envelope) -> str | None:
        if envelope.livemode is not self.expected.livemode:
            self.alarms.sound("other_mode_fenced", event_id=envelope.event_id, livemode=envelope.livemode)
            return "other_mode"
        if envelope.account != self.expected.account:
            self.alarms.sound("other_account_fenced", event_id=envelope.event_id, account=envelope.account)
            return "other_account"
        return None if is_ours(envelope.type) else "other_type"

    async def _keep(self, envelope: Envelope) -> Status:
        put = await self._put(envelope)
        if put.ring:
            self.bell.ring()
        if put.result is PutResult.DUPLICATE_DIFFERS:
            metrics.count_changed_body()
            self.alarms.sound("changed_body_received", event_id=envelope.event_id)
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
            self.alarms.sound("mailbox_filled")
            raise UnavailableError("mailbox_full", "Too many events wait.")
        return put
