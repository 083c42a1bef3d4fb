"""Errors of Stripe's API by meaning: one table from HTTP status, and what has no answer at all.

What becomes of each class is said in events/retry.py. Messages never quote an answer: it may hold
personal data.
"""

from __future__ import annotations

import httpx
import stripe

from events.retry import FailureClass

MISSING, TOO_MANY = 404, 429
REFUSES_THE_KEY = frozenset({401, 403})

BY_STATUS = {
    400: FailureClass.PERMANENT,  # the request is wrong, and stays so
    401: FailureClass.INFRASTRUCTURE,  # the key was revoked
    403: FailureClass.INFRASTRUCTURE,  # the key lacks a permission
    404: FailureClass.PERMANENT,  # no such object; no proof that it was deleted
    409: FailureClass.TRANSIENT,  # something else is being done to the object
    424: FailureClass.TRANSIENT,  # something that Stripe depends on failed
    429: FailureClass.TRANSIENT,  # too many requests
}
"""Exact statuses; 5xx is Stripe's own trouble, and any other a bug of ours."""


class StripeApiError(Exception):
    """Stripe did not give what it was asked for; `status` None: there was no answer.

    `retry_after_seconds` and `should_retry` are what Stripe said of trying again, None where it said nothing.
    """

    def __init__(
        self,
        message: str,
        *,
        failure: FailureClass,
        status: int | None = None,
        retry_after_seconds: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.should_retry = should_retry

    @property
    def is_missing(self) -> bool:
        """Whether Stripe has no such object, which is no proof that it was deleted."""
        return self.status == MISSING

    @property
    def refuses_the_key(self) -> bool:
        """Whether no request can succeed until somebody has seen to the key."""
        return self.status in REFUSES_THE_KEY


def classify(error: Exception) -> FailureClass:
    """Say whose fault an error of asking is."""
    return error.failure if isinstance(error, StripeApiError) else FailureClass.BUG


def translated(error: stripe.StripeError) -> StripeApiError:
    """Say what an error of the SDK means."""
    status = error.http_status
    if status is None:
        return StripeApiError(f"Stripe: {_cause(error)}", failure=_failure_without_answer(error))
    headers = {name.lower(): value for name, value in dict(error.headers or {}).items()}
    return StripeApiError(
        f"Stripe answered {status}",
        failure=BY_STATUS.get(status) or _failure_of_others(status),
        status=status,
        retry_after_seconds=_seconds(headers.get("retry-after")),
        should_retry=_SAID.get(headers.get("stripe-should-retry", "")),
    )


_SAID = {"true": True, "false": False}


def _failure_of_others(status: int) -> FailureClass:
    """An answer of 2xx that is an error all the same had a body that was no JSON: something stands in between."""
    return FailureClass.TRANSIENT if status >= 500 or status < 300 else FailureClass.BUG  # noqa: PLR2004 - HTTP


def _failure_without_answer(error: stripe.StripeError) -> FailureClass:
    if isinstance(error.__cause__, httpx.ConnectError):  # refused, or no such host
        return FailureClass.INFRASTRUCTURE
    return FailureClass.TRANSIENT if isinstance(error, stripe.APIConnectionError) else FailureClass.BUG


def _cause(error: stripe.StripeError) -> str:
    return type(error.__cause__ or error).__name__


def _seconds(text: str | None) -> float | None:
    """Stripe writes Retry-After in seconds; a date, as HTTP would allow, says nothing to us."""
    return float(text) if text is not None and text.isdecimal() else None
