"""Errors of Stripe's API by meaning: one table from HTTP status.

cogento/retries.py says what follows from each class. Messages never quote an answer: it may hold personal data. Does not import
the SDK, so that code that only names errors need not load it.
"""

from __future__ import annotations

from cogento.retries import FailureClass

UNKNOWN_KEY, FORBIDDEN, MISSING, TOO_MANY = 401, 403, 404, 429
REFUSES_THE_KEY = frozenset({UNKNOWN_KEY, FORBIDDEN})

BY_STATUS = {
    400: FailureClass.PERMANENT,  # the request is wrong, and stays so
    401: FailureClass.INFRASTRUCTURE,  # the key was revoked
    403: FailureClass.INFRASTRUCTURE,  # the key lacks a permission
    404: FailureClass.PERMANENT,  # no such object; no proof that it was deleted
    409: FailureClass.TRANSIENT,  # something else is being done to the object
    424: FailureClass.TRANSIENT,  # something that Stripe depends on failed
    429: FailureClass.TRANSIENT,  # too many requests
}
"""Exact statuses; 5xx is a failure of Stripe's, and any other status a bug of ours."""


class StripeApiError(Exception):
    """A request to Stripe failed; `status` is None where there was no answer.

    `refused_before` says that nothing was sent: the key was refused a moment ago, to any process. `retry_after_seconds` and
    `should_retry` are Stripe's own advice about trying again, None where it gave none.
    """

    def __init__(
        self,
        message: str,
        *,
        failure: FailureClass,
        status: int | None = None,
        retry_after_seconds: float | None = None,
        should_retry: bool | None = None,
        refused_before: bool = False,
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.should_retry = should_retry
        self.refused_before = refused_before

    @property
    def is_missing(self) -> bool:
        """Whether Stripe has no such object, which is no proof that it was deleted."""
        return self.status == MISSING

    @property
    def refuses_the_key(self) -> bool:
        """Whether no request can succeed until somebody has corrected the key."""
        return self.status in REFUSES_THE_KEY


def classify(error: Exception) -> FailureClass:
    """Return the failure class of an error of a request."""
    return error.failure if isinstance(error, StripeApiError) else FailureClass.BUG
