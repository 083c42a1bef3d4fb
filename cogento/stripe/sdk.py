"""Stripe's SDK, reduced to one attempt at one request, and what its errors mean.

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


# Else every request tells of the machine and of the one before, and an id is written into the home folder.
stripe.enable_telemetry = False


class _UnreadAnswer(httpx.Headers):
    """The headers of a good answer, which carry its body past the SDK."""

    body: bytes


class _HttpClient(stripe.HTTPXClient):
    """Keeps the body of a good answer from the SDK; errors are the SDK's to read.

    It would parse every page of a list into ordered dictionaries, and format it for a log that nobody keeps: more than a
    quarter of what a backfill spends.
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
            )  # it fails on what is no UTF-8, and reads nothing else of what is no JSON
        if not httpx.codes.is_success(status):
            return body, status, answered
        unread = _UnreadAnswer(answered)
        unread.body = body
        return b"{}", status, unread


class Sdk:
    """One key's way to Stripe; its own retries are off."""

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
        """Ask once; raises StripeApiError. `idempotency_key` among the parameters becomes a header."""
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
"""Checks the syntax of a body and builds nothing."""


def translated(error: stripe.StripeError) -> StripeApiError:
    """Say what an error of the SDK means."""
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
    """An answer of 2xx that is an error all the same had a body that was no JSON: something stands in between."""
    return FailureClass.TRANSIENT if status >= 500 or status < 300 else FailureClass.BUG  # noqa: PLR2004 - HTTP


def _failure_without_answer(error: stripe.StripeError) -> FailureClass:
    if isinstance(error.__cause__, httpx.ConnectError):  # refused, or no such host
        return FailureClass.INFRASTRUCTURE
    return FailureClass.TRANSIENT if isinstance(error, stripe.APIConnectionError) else FailureClass.BUG


def _seconds(text: str | None) -> float | None:
    """Stripe writes Retry-After in seconds; a date, as HTTP would allow, says nothing to us."""
    return float(text) if text is not None and text.isdecimal() else None
