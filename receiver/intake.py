"""From the bytes of a request to our promise to keep them: verify, open, fence, put.

Answers 2xx only for what the mailbox keeps or what is none of ours. Knows nothing of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol

from events.envelope import is_ours, open_envelope
from events.errors import RejectedError, TransientError
from events.thin import is_thin
from failpoints import failpoint
from mailboxes.mail import PutResult
from receiver import metrics
from receiver.answers import SIGNATURE_INVALID, Accepted, Status, UnavailableError
from receiver.signature import Flaw, SignatureError, Signed, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from events.envelope import Envelope
    from mailboxes.mail import Put
    from receiver.alarms import Alarms

SIGNATURE_REFUSED = "signature_invalid"
THIN_EVENT_UNSUPPORTED = "thin_event_unsupported"

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
    """Whose events are ours; `account` None means: events without an account.

    `secrets` sign snapshot events, `thin_secrets` thin ones; those are of use only where Stripe can be asked.
    """

    secrets: tuple[bytes, ...] = field(repr=False)
    livemode: bool
    account: str | None
    thin_secrets: tuple[bytes, ...] = field(repr=False, default=())
    can_ask: bool = False

    def why_not_thin(self) -> str | None:
        """Say what is missing for thin events to be taken; None when nothing is."""
        if not self.can_ask:
            return "a thin event only names its object: set STRIPE_API_KEY so that Stripe can be asked for it"
        if not self.thin_secrets:
            return "this is a thin event: set STRIPE_THIN_WEBHOOK_SECRET to its destination's secret"
        return None


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
        secret_index = self._verify(body, signature, now)
        self._check_kind(body, secret_index)
        envelope = self._open(body, now)
        reason = self._why_ignored(envelope)
        if reason is not None:
            metrics.count_ignored(reason)
            return Accepted(Status.IGNORED, envelope.event_id)
        return Accepted(await self._keep(envelope), envelope.event_id)

    def _verify(self, body: bytes, signature: str | None, now: float) -> int:
        """Find which of all our secrets signed a body: snapshot events' first, then thin events'."""
        try:
            signed = self._signed(body, signature, now)
        except SignatureError as error:
            self._refuse(error)
        metrics.count_signed(signed.secret_index, signed.age_seconds)
        return signed.secret_index

    def _signed(self, body: bytes, signature: str | None, now: float) -> Signed:
        """Try the thin events' secrets only after the others: the time that takes tells no more than the body does."""
        expected = self.expected
        try:
            return verify(signature, body, secrets=expected.secrets, now=now)
        except SignatureError as error:
            if error.flaw is not Flaw.NO_MATCH or not expected.thin_secrets:
                raise
        thin = verify(signature, body, secrets=expected.thin_secrets, now=now)
        return Signed(len(expected.secrets) + thin.secret_index, thin.age_seconds)

    def _refuse(self, error: SignatureError) -> NoReturn:
        self._note_flaw(error)
        raise RejectedError(SIGNATURE_REFUSED, SIGNATURE_INVALID) from error

    def _check_kind(self, body: bytes, secret_index: int) -> None:
        """Refuse a thin event that nobody could apply, and what is signed with the other kind's secret."""
        thin = is_thin(body)
        if thin and (missing := self.expected.why_not_thin()):
            self.alarms.sound("signed_body_refused", code=THIN_EVENT_UNSUPPORTED)
            raise RejectedError(THIN_EVENT_UNSUPPORTED, missing)
        if thin is not (secret_index >= len(self.expected.secrets)):
            self._refuse(SignatureError(Flaw.OTHER_KIND))

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
