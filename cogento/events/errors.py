"""Errors by meaning: rejected (never stored), transient (try again), permanent (a dead letter at once).

The receiver turns `Rejected` into HTTP, the worker turns the other two into outcomes; each in one place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cogento.events.letters import LetterReason


class RejectedError(Exception):
    """The request is not a valid event; nothing of it is stored."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class TransientError(Exception):
    """The event may succeed later, not before `retry_after_seconds`; it keeps its place and its customer waits."""

    def __init__(self, *said: object, retry_after_seconds: float | None = None) -> None:
        super().__init__(*said)
        self.retry_after_seconds = retry_after_seconds


class OtherReleaseError(TransientError):
    """What is needed to apply the event was written by another release: it waits for one of that release's workers, for any time."""


class DependencyUnavailableError(TransientError):
    """A dependency that every event needs is unreachable; no event spends an attempt on it."""


class PermanentError(Exception):
    """The event can never be applied as it is; its bytes are kept as a dead letter."""

    def __init__(self, reason: LetterReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
