"""Making dead letters of waiting events, from everything that is known about them, and nothing guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento import VERSION
from cogento.events import strict_json
from cogento.events.envelope import ANY_TIME, parse_envelope
from cogento.events.errors import PermanentError, RejectedError
from cogento.events.kinds.customer import names_account
from cogento.events.letters import ACCOUNT_MISSING, MESSAGES, LetterReason
from cogento.events.projection import is_terminal_event
from cogento.retries import FailureClass
from cogento.store.dead_letters import DeadLetter
from cogento.store.errors import code_of

if TYPE_CHECKING:
    from cogento.events.envelope import Envelope
    from cogento.events.fields import Json
    from cogento.queue.claims import CustomerBatch, QueuedEvent


def unreadable_letter(batch: CustomerBatch, queued: QueuedEvent, error: PermanentError) -> DeadLetter:
    """A letter for an event that cannot be read; its message says what is wrong with it."""
    return _letter(batch, queued, error.reason, FailureClass.PERMANENT, error=error, message=error.message)


def failed_letter(
    batch: CustomerBatch, queued: QueuedEvent, failure: FailureClass, error: Exception
) -> DeadLetter:
    """A letter for an event whose attempts are spent, or that can never be applied."""
    if isinstance(error, PermanentError):
        return _letter(batch, queued, error.reason, failure, error=error, message=error.message)
    return _letter(batch, queued, _REASONS[failure], failure, error=error)


def orphan_letter(batch: CustomerBatch, queued: QueuedEvent) -> DeadLetter:
    """A letter for a subscription whose customer never came; a customer that is an account never comes by itself."""
    message = ACCOUNT_MISSING if names_account(_object(_document(queued.body))) else None
    return _letter(batch, queued, LetterReason.CUSTOMER_MISSING, FailureClass.PERMANENT, message=message)


def crash_letter(batch: CustomerBatch, queued: QueuedEvent) -> DeadLetter:
    """A letter for the event at which workers crashed."""
    return _letter(
        batch, queued, LetterReason.CRASHED_WORKER, FailureClass.CRASHED_WORKER, starts=batch.crashes
    )


_REASONS = {
    FailureClass.PERMANENT: LetterReason.IMPOSSIBLE_VALUE,
    FailureClass.TRANSIENT: LetterReason.GAVE_UP,
    FailureClass.CONTENTION: LetterReason.GAVE_UP,
    FailureClass.BUG: LetterReason.BUG,
}


def _letter(
    batch: CustomerBatch,
    queued: QueuedEvent,
    reason: LetterReason,
    failure: FailureClass,
    *,
    error: Exception | None = None,
    message: str | None = None,
    starts: int = 0,
) -> DeadLetter:
    envelope = _envelope(queued.body)
    document = _document(queued.body) if envelope else {}
    api_version = document.get("api_version")
    code = None if error is None or isinstance(error, PermanentError) else code_of(error)
    return DeadLetter(
        event_id=queued.event_id,
        event_type=envelope.type if envelope else "",
        customer_id=batch.customer_id,
        object_id=envelope.object_id if envelope else "",
        created=envelope.created if envelope else queued.received_ms // 1000,
        raw_body=queued.body,
        received_ms=queued.received_ms,
        source=queued.source,
        attempts=queued.attempts,
        reason=reason,
        message=message or MESSAGES[reason],
        failure_class=failure,
        failure_code=code,
        constraint_name=getattr(error, "constraint_name", None),
        livemode=envelope.livemode if envelope else None,
        api_version=api_version if isinstance(api_version, str) else None,
        first_attempt_ms=queued.first_attempt_ms,
        starts=starts,
        worker_version=VERSION,
        removal=envelope is not None and is_terminal_event(envelope.type, _object(document)),
    )


def _envelope(body: bytes) -> Envelope | None:
    try:
        return parse_envelope(body, now=ANY_TIME)
    except RejectedError:
        return None


def _document(body: bytes) -> Json:
    try:
        return strict_json.read(body)
    except strict_json.NotStrictJsonError:
        return {}


def _object(document: Json) -> Json:
    data = document.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}
