"""Stripe's SDK, reduced to one attempt at one request, and the meaning of its errors.

Loaded only where there is a key: the SDK costs a quarter of a second and 14 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import httpx
import msgspec
import stripe

from cogento.retries import FailureClass
from cogento.stripe.errors import BY_STATUS, StripeApiError
from cogento.stripe.requests import RawResponse

if TYPE_CHECKING:
    from collections.abc import Mapping


# Otherwise every request describes the machine and the request before, and an id is written into the home folder.
stripe.enable_telemetry = False


class _UnreadAnswer(httpx.Headers):
    """The headers of a successful answer, which carry its body past the SDK."""

    body: bytes


class _HttpClient(stripe.HTTPXClient):
    """Keeps the body of a successful answer from the SDK, and leaves errors to it.

    The SDK would parse every page of a list into ordered dictionaries and format it for an unused log: more than a quarter of a
    backfill's time.
    """

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        body, status, answered = await super().request_async(method, url, headers, post_data)
        if not _is_json(body):
            return (
                b"",
                status,
                answered,
            )  # the SDK fails on a body that is not UTF-8; of other bodies that are not JSON it uses nothing
        if not httpx.codes.is_success(status):
            return body, status, answered
        unread = _UnreadAnswer(answered)
        unread.body = body
        return b"{}", status, unread


class Sdk:
    """The SDK for one key, with its own retries off."""

    def __init__(
        self, key: str, *, base: str, account: str | None, api_version: str, timeout_seconds: float
    ) -> None:
        self._http = _HttpClient(timeout=timeout_seconds)
        self._client = stripe.StripeClient(
            key,
            stripe_account=account,
            stripe_version=api_version,
            base_addresses={"api": base},
            max_network_retries=0,
            http_client=self._http,
        )

    async def send(self, method: str, path: str, parameters: Mapping[str, Any]) -> RawResponse:
        """Send a request once; raises StripeApiError. `idempotency_key` among the parameters becomes a header."""
        try:
            response = await self._client.raw_request_async(method, path, **parameters)
        except stripe.StripeError as error:
            raise translated(error) from error
        answer = cast("_UnreadAnswer", response.headers)
        return RawResponse(answer.body, answer)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]


def _is_json(body: bytes) -> bool:
    try:
        _SKIP.decode(body.decode())
    except (ValueError, RecursionError):
        return False
    return True


_SKIP = msgspec.json.Decoder(msgspec.Raw)
"""Checks the syntax of a body and builds no objects."""


def translated(error: stripe.StripeError) -> StripeApiError:
    """Return the StripeApiError for an error of the SDK."""
    status = error.http_status
    if status is None:
        cause = type(error.__cause__ or error).__name__
        return StripeApiError(f"Stripe: {cause}", failure=_failure_without_answer(error))
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
    """Classify other statuses. An error with 2xx had a body that is not JSON: a proxy answered."""
    return FailureClass.TRANSIENT if status >= 500 or status < 300 else FailureClass.BUG  # noqa: PLR2004 - HTTP


def _failure_without_answer(error: stripe.StripeError) -> FailureClass:
    if isinstance(error.__cause__, httpx.ConnectError):  # refused, or no such host
        return FailureClass.INFRASTRUCTURE
    return FailureClass.TRANSIENT if isinstance(error, stripe.APIConnectionError) else FailureClass.BUG


def _seconds(text: str | None) -> float | None:
    """Read Retry-After, which Stripe writes in seconds; None for a date, which HTTP would allow."""
    return float(text) if text is not None and text.isdecimal() else None
