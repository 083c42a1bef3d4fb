"""Webhook endpoints of the simulated account: listed, made and shown, as by Stripe's API. Nothing is sent to them.

https://docs.stripe.com/api/webhook_endpoints. A request with the idempotency key of an earlier one gets the earlier answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from cogento.local.stripe.errors import ApiError, no_such, unknown_parameter, unknown_url
from cogento.local.stripe.fake_data import new_id
from cogento.local.stripe.paging import read_list_query

if TYPE_CHECKING:
    from random import Random

    from cogento.local.stripe.http_server import Request

PATH = "/v1/webhook_endpoints"
MOST = 16
"""How many endpoints an account may have in each mode (docs.stripe.com/webhooks)."""

_KNOWN = frozenset({"url", "enabled_events", "api_version", "description", "connect"})


@dataclass(slots=True)
class Endpoints:
    """The endpoints, the newest first; `made` has each as Stripe shows it, without its secret."""

    random: Random
    made: list[dict[str, Any]] = field(default_factory=list)
    _answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, request: Request, *, now: int) -> dict[str, Any]:
        """Answer a request for endpoints."""
        match request.method, request.path.removeprefix(PATH).strip("/"):
            case "GET", "":
                return self._page(request)
            case "POST", "":
                return self._create(request, now=now)
            case "GET", endpoint_id:
                return self._one(endpoint_id)
        raise unknown_url(request.method, request.path)

    def _page(self, request: Request) -> dict[str, Any]:
        query = read_list_query(request.query, filters=())
        ids = [one["id"] for one in self.made]
        if query.starting_after is not None and query.starting_after not in ids:
            raise no_such("webhook endpoint", query.starting_after, param="starting_after", status=400)
        first = 0 if query.starting_after is None else ids.index(query.starting_after) + 1
        page = self.made[first : first + query.limit]
        has_more = first + query.limit < len(self.made)
        return {"object": "list", "url": PATH, "has_more": has_more, "data": page}

    def _one(self, endpoint_id: str) -> dict[str, Any]:
        for endpoint in self.made:
            if endpoint["id"] == endpoint_id:
                return endpoint
        raise no_such("webhook endpoint", endpoint_id)

    def _create(self, request: Request, *, now: int) -> dict[str, Any]:
        key = request.headers.get("idempotency-key", "")
        if key in self._answers:
            return self._answers[key]
        given, types = _read(request)
        if len(self.made) >= MOST:
            raise ApiError(400, f"You have reached the maximum of {MOST} test webhook endpoints.")
        endpoint: dict[str, Any] = {
            "id": new_id("we", self.random),
            "object": "webhook_endpoint",
            "api_version": given.get("api_version"),
            "application": None,
            "created": now,
            "description": given.get("description"),
            "enabled_events": types,
            "livemode": False,
            "metadata": {},
            "status": "enabled",
            "url": given["url"],
        }
        self.made.insert(0, endpoint)
        answer = {**endpoint, "secret": new_id("whsec", self.random) + new_id("", self.random)[1:]}
        if key:
            self._answers[key] = answer
        return answer


def _read(request: Request) -> tuple[dict[str, str], list[str]]:
    """Read the form of a request; raises ApiError for what Stripe refuses."""
    given: dict[str, str] = {}
    types: list[str] = []
    for name, value in parse_qsl(request.body.decode(), keep_blank_values=True):
        plain = name.partition("[")[0]
        if plain not in _KNOWN:
            raise unknown_parameter(plain)
        if plain == "enabled_events":
            types.append(value)
        else:
            given[plain] = value
    for missing in [
        name for name, value in (("url", given.get("url")), ("enabled_events", types)) if not value
    ]:
        raise ApiError(400, f"Missing required param: {missing}.", code="parameter_missing", param=missing)
    if urlsplit(given["url"]).scheme not in {"http", "https"}:
        raise ApiError(400, "Invalid URL: An explicit scheme (such as https) must be provided.", param="url")
    return given, types
