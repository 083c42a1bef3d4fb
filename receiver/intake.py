"""The intake of a webhook, from its bytes to our promise to keep them: verify, parse, fence, enqueue.

It accepts only events that the queue keeps and events that are not for us. Both the Flask view and the fast path call it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from cogento.events.envelope import ForeignEvent, is_notice, is_ours, parse_envelope, parse_foreign_event
from cogento.events.errors import RejectedError, TransientError
from cogento.events.fence import Fence, Fenced, is_placeholder
from cogento.events.thin import is_thin
from cogento.failpoints import failpoint
from cogento.queue.claims import PutResult
from receiver import metrics
from receiver.answers import IGNORED, SIGNATURE_INVALID, Accepted, RetryLaterError, refuse
from receiver.reading import announced_length
from receiver.signature import SignatureError, SignatureErrorReason, Signed, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogento.events.envelope import Envelope
    from cogento.queue.group_commit import GroupCommit
    from cogento.queue.wakeup import BackgroundWakeup
    from cogento.reporting import ThrottledLog
    from cogento.serving.answers import HttpAnswer
    from receiver.tally import FenceTally

THIN_EVENT_UNSUPPORTED = "thin_event_unsupported"
NEEDS_A_KEY = "a thin event only names its object: set STRIPE_API_KEY so that Stripe can be asked for it"

PLACEHOLDER, OTHER_TYPE = "placeholder", "other_type"
"""Reasons for ignoring an event, beside the fence's."""


@dataclass(frozen=True, slots=True)
class AcceptPolicy:
    """Which events are ours, and the secrets that sign them.

    `secrets` mostly sign snapshot events and `thin_secrets` thin ones; each is accepted for both, because one destination may
    send both (`stripe listen` does), and the body says which kind it is. No secret is in both.
    """

    secrets: tuple[bytes, ...] = field(repr=False)
    fence: Fence
    thin_secrets: tuple[bytes, ...] = field(repr=False, default=())
    can_ask: bool = False


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes in the webhooks of one account; `clock` returns Unix seconds. `account` is its name, None where accounts have no names."""

    policy: AcceptPolicy
    mailbox: GroupCommit
    wakeup: BackgroundWakeup
    log: ThrottledLog
    tally: FenceTally
    clock: Callable[[], float]
    account: str | None = None

    async def handle(self, body: bytes, signature: str | None) -> Accepted:
        """Take one webhook in; raises RejectedError, or RetryLaterError when Stripe is to try again."""
        now = self.clock()
        self._verify(body, signature, now)

        envelope = self._parse(body, now)
        if isinstance(envelope, ForeignEvent):
            metrics.count_ignored(OTHER_TYPE, self.account)
            return Accepted(IGNORED, envelope.event_id)

        reason = self._why_ignored(envelope)
        if reason is not None:
            metrics.count_ignored(reason, self.account)
            return Accepted(IGNORED, envelope.event_id)
        if is_notice(envelope.type) and not self.policy.can_ask:
            self._refuse_thin()

        return Accepted(await self._enqueue(envelope), envelope.event_id)

    def refuse(
        self, error: RejectedError | RetryLaterError, headers: Sequence[tuple[bytes, bytes]]
    ) -> HttpAnswer:
        """Answer a webhook that is not accepted, and log a body that was too long to be read.

        Such a body is not verified, so its sender is unknown.
        """
        if error.code == "body_too_large":
            self.log.warning("long_body_refused", announced=announced_length(headers))
        return refuse(error)

    def _verify(self, body: bytes, signature: str | None, now: float) -> None:
        try:
            signed = self._signed(body, signature, now)
        except SignatureError as error:
            metrics.count_signature_failure(error.reason, self.account)
            if error.reason is SignatureErrorReason.NO_MATCH:
                self.tally.refuse_signature()
            if error.age_seconds is None:
                self.log.warning("signature_refused", reason=error.reason)
            else:
                # A replay, or our clock is wrong. The gauge shows which, after the next good event.
                metrics.show_clock_skew(error.age_seconds, self.account)
                self.log.warning("timestamp_outside_window", reason=error.reason)
            raise RejectedError("signature_invalid", SIGNATURE_INVALID) from error
        metrics.count_signed(signed.secret_index, signed.age_seconds, self.account)

    def _signed(self, body: bytes, signature: str | None, now: float) -> Signed:
        """Find which of our secrets signed a body: its position, from the first one for snapshot events to the last one for thin events.

        Secrets for thin events, whose bodies are short, are tried only where none of the others matches.
        """
        snapshot, thin = self.policy.secrets, self.policy.thin_secrets
        try:
            return verify(signature, body, secrets=snapshot, now=now)
        except SignatureError as error:
            if error.reason is not SignatureErrorReason.NO_MATCH or not thin:
                raise
        signed = verify(signature, body, secrets=thin, now=now)
        return Signed(len(snapshot) + signed.secret_index, signed.age_seconds)

    def _parse(self, body: bytes, now: float) -> Envelope | ForeignEvent:
        try:
            return parse_envelope(body, now=int(now))
        except RejectedError as error:
            if foreign := parse_foreign_event(body):
                return foreign
            if is_thin(body) and not self.policy.can_ask:
                self._refuse_thin()
            self.log.warning("signed_body_refused", code=error.code)
            raise

    def _refuse_thin(self) -> NoReturn:
        self.log.warning("signed_body_refused", code=THIN_EVENT_UNSUPPORTED)
        raise RejectedError(THIN_EVENT_UNSUPPORTED, NEEDS_A_KEY)

    def _why_ignored(self, envelope: Envelope) -> str | None:
        if is_placeholder(envelope):
            self.log.warning("placeholder_ignored", type=envelope.type)
            return PLACEHOLDER
        # An event of an unknown shape names no mode, so it does not belong to the other mode.
        if envelope.livemode is None and not is_ours(envelope.type):
            return OTHER_TYPE
        reason = self.policy.fence.why_not(envelope)
        if reason is None:
            self.tally.let_in()
            return None if is_ours(envelope.type) else OTHER_TYPE
        self.tally.keep_out(reason, envelope.event_id)
        if reason is Fenced.OTHER_MODE:
            self.log.warning("other_mode_fenced", event_id=envelope.event_id, livemode=envelope.livemode)
        else:
            self.log.warning("other_account_fenced", event_id=envelope.event_id, account=envelope.account)
        return reason

    async def _enqueue(self, envelope: Envelope) -> PutResult:
        failpoint("before_enqueue", envelope)
        try:
            put = await self.mailbox.put(envelope)
        except TransientError as error:
            self.log.warning("mailbox_failed", reason=str(error))
            raise RetryLaterError("mailbox_unavailable", "The queue cannot keep this event now.") from error
        failpoint("after_enqueue", envelope)

        if put.result is PutResult.FULL:
            self.log.warning("queue_full")
            raise RetryLaterError("mailbox_full", "Too many events wait.")
        if put.needs_wakeup:
            self.wakeup.send()
        if put.result is PutResult.DUPLICATE_DIFFERS:
            metrics.count_changed_body(self.account)
            self.log.warning("conflicting_duplicate_received", event_id=envelope.event_id)
            return PutResult.DUPLICATE  # the same to Stripe
        return put.result
