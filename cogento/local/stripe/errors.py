"""Stripe's errors, in the form and words of its API (docs.stripe.com/api/errors), and the faults that a test asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cogento.local.stripe.events import indented
from cogento.local.stripe.http_server import Response

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

_DOCUMENTED = "https://stripe.com/docs/error-codes/"


class ApiError(Exception):
    """An answer other than 200, as it goes out; `headers` are sent with it."""

    def __init__(
        self, status: int, message: str, *, kind: str = "invalid_request_error", **more: str
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": kind, **more}
        if "code" in more:
            self.error["doc_url"] = _DOCUMENTED + more["code"].replace("_", "-")
        self.headers: dict[str, str] = {}

    def response(self) -> Response:
        """The answer."""
        return Response(self.status, indented({"error": dict(sorted(self.error.items()))}), self.headers)


def no_such(kind: str, an_id: str, *, param: str = "id", status: int = 404) -> ApiError:
    """The object does not exist, or the cursor of a list doesn't (then with status 400)."""
    return ApiError(status, f"No such {kind}: '{an_id}'", code="resource_missing", param=param)


def unknown_url(method: str, path: str) -> ApiError:
    """Nothing is served there."""
    return ApiError(404, f"Unrecognized request URL ({method}: {path}).")


def unknown_parameter(name: str) -> ApiError:
    """A parameter that the list does not have."""
    return ApiError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def invalid_integer(name: str, value: str) -> ApiError:
    """A parameter that should be a number, or one within limits."""
    return ApiError(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)


def invalid_choice(name: str, value: str) -> ApiError:
    """A parameter with a value that is not one of its choices."""
    return ApiError(400, f"Invalid {name}: {value}", param=name)


def no_key() -> ApiError:
    """The request names no API key."""
    return ApiError(401, "You did not provide an API key. Set it as the Bearer token of Authorization.")


def wrong_key() -> ApiError:
    """The key is not this account's."""
    return ApiError(401, "Invalid API Key provided: ********", code="api_key_invalid")


def forbidden() -> ApiError:
    """A restricted key lacks the permission."""
    message = "The provided key does not have the required permissions for this endpoint."
    return ApiError(403, message, code="more_permissions_required")


def rate_limited() -> ApiError:
    """Too many requests."""
    error = ApiError(429, "Request rate limit exceeded.", code="rate_limit")
    error.headers = {"Retry-After": "1", "Stripe-Rate-Limited-Reason": "global-rate"}
    return error


def concurrency_limited() -> ApiError:
    """Too many requests at once."""
    return ApiError(429, "Too many requests are under way.", code="rate_limit")


def trouble_at_stripe(status: int) -> ApiError:
    """Stripe's own fault."""
    return ApiError(status, "An unknown error occurred", kind="api_error")


class FaultKind(StrEnum):
    """What can go wrong with a request."""

    RATE_LIMITED = "rate_limited"  # 429, with the headers Stripe sends
    CONCURRENCY_LIMITED = "concurrency_limited"  # 429 that does not say when to come back
    SERVER_ERROR = "server_error"  # 500
    UNAVAILABLE = "unavailable"  # 503
    UNAUTHORIZED = "unauthorized"  # 401: the key was revoked
    FORBIDDEN = "forbidden"  # 403: a restricted key without this permission
    MISSING = "missing"  # 404, whatever is asked for
    SILENCE = "silence"  # no answer for `seconds`, then the connection closes
    SLOW = "slow"  # the right answer, after `seconds`
    RESET = "reset"  # the connection is reset
    STALE = "stale"  # an object as it was one event ago


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault for paths that start with `path`: for `times` requests, at this share of them."""

    kind: FaultKind
    path: str = "/v1/"
    times: int | None = None
    share: float = 1.0
    seconds: float = 30.0


class Faults:
    """The faults in force; a request meets the first that fits it."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._left: list[tuple[Fault, int | None]] = []

    def replace(self, faults: Sequence[Fault]) -> None:
        """Put these in force and no others."""
        self._left = [(fault, fault.times) for fault in faults]

    def next(self, path: str) -> Fault | None:
        """The fault that this request meets, if any; counts it."""
        for place, (fault, left) in enumerate(self._left):
            if path.startswith(fault.path) and left != 0 and self._random.random() < fault.share:
                self._left[place] = (fault, None if left is None else left - 1)
                return fault
        return None
