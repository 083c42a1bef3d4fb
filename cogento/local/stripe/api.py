"""The part of Stripe's REST API that this project uses: customers, subscriptions, events and webhook endpoints.

Answers as the real one does, errors included (docs.stripe.com/api), and fails on request. Knows the account and what became of
deliveries; not the clock.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import replace
from email.utils import formatdate
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from cogento.events.kinds import KINDS
from cogento.local.stripe import errors
from cogento.local.stripe.account import Account
from cogento.local.stripe.endpoints import Endpoints
from cogento.local.stripe.errors import Fault, FaultKind, Faults
from cogento.local.stripe.events import AccountEvent, event_json, indented
from cogento.local.stripe.http_server import HangUpError, Request, Response
from cogento.local.stripe.objects import SECONDS_A_DAY, Customer
from cogento.local.stripe.paging import ListPage, ListQuery, page, read_list_query
from cogento.local.stripe.shapes import customer_json, deleted_stub, object_json, subscription_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogento.local.stripe.http_server import Handler

_PATHS = frozenset(kind.path for kind in KINDS)
EVENTS_KEPT_SECONDS = 30 * SECONDS_A_DAY
_STATUSES = frozenset(
    [
        "all",
        "ended",
        "active",
        "canceled",
        "incomplete",
        "incomplete_expired",
        "past_due",
        "paused",
        "trialing",
        "unpaid",
    ]
)
_ERRORS: dict[FaultKind, Callable[[], errors.ApiError]] = {
    FaultKind.RATE_LIMITED: errors.rate_limited,
    FaultKind.CONCURRENCY_LIMITED: errors.concurrency_limited,
    FaultKind.SERVER_ERROR: lambda: errors.trouble_at_stripe(500),
    FaultKind.UNAVAILABLE: lambda: errors.trouble_at_stripe(503),
    FaultKind.UNAUTHORIZED: errors.wrong_key,
    FaultKind.FORBIDDEN: errors.forbidden,
    FaultKind.MISSING: lambda: errors.no_such("object", "asked for"),
}


class DeliveryRecord(Protocol):
    """What the API must know of webhooks to answer for events."""

    def is_pending(self, event_id: str) -> bool:
        """Whether a delivery is still to be made."""

    def has_failed(self, event_id: str) -> bool:
        """Whether no delivery has been accepted although one was due."""


class Api:
    """The API of one account; `requests` counts requests by Unix second."""

    def __init__(
        self,
        account: Account,
        deliveries: DeliveryRecord,
        faults: Faults,
        *,
        api_key: str,
        now: Callable[[], int],
    ) -> None:
        self.requests: Counter[int] = Counter()
        self.endpoints = Endpoints(Random(api_key))
        self._account = account
        self._deliveries = deliveries
        self._faults = faults
        self.api_key = api_key
        self._now = now
        self._request_numbers = itertools.count(1)

    async def answer(self, request: Request) -> Response:
        """Answer one request, by the faults in force."""
        self.requests[self._now()] += 1
        fault = self._faults.next(request.path)
        try:
            await _apply(fault)
            key = _key_of(request)
            if not key or key != self.api_key:
                raise errors.wrong_key() if key else errors.no_key()
            found = self._find(request, stale=fault is not None and fault.kind is FaultKind.STALE)
            response = Response(200, indented(found))
        except errors.ApiError as error:
            response = error.response()
        number = next(self._request_numbers)
        headers = {
            **response.headers,
            "Date": formatdate(self._now(), usegmt=True),
            "Request-Id": f"req_{number:014d}",
        }
        return Response(response.status, response.body, headers)

    def _find(self, request: Request, *, stale: bool) -> Any:
        version = request.headers.get("stripe-version", self._account.api_version)
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["v1", "customers"]:
                found = self._list_customers(request, version)
            case "GET", ["v1", "subscriptions"]:
                found = self._list_subscriptions(request, version)
            case "GET", ["v1", "customers" | "subscriptions" as listed, object_id]:
                found = self._retrieve(listed.removesuffix("s"), object_id, version, stale=stale)
            case "GET", ["v1", "events"]:
                found = self._list_events(request)
            case "GET", ["v1", "events", event_id]:
                found = self._retrieve_event(event_id)
            case _, ["v1", "webhook_endpoints", *_]:
                found = self.endpoints.answer(request, now=self._now())
            case _:
                found = _nothing(request)
        return found

    def _retrieve(self, kind: str, object_id: str, version: str, *, stale: bool) -> Any:
        states = self._account.customers if kind == "customer" else self._account.subscriptions
        if object_id not in states:
            raise errors.no_such(kind, object_id)
        state = self._account.earlier_state(object_id) if stale else states[object_id]
        if isinstance(state, Customer) and state.deleted:
            return deleted_stub(object_id)
        return object_json(state or states[object_id], version)

    def _list_customers(self, request: Request, version: str) -> Any:
        query = read_list_query(request.query, filters={"email"})
        customers, email = self._account.customers, query.value("email")

        def fits(an_id: str) -> bool:
            return not customers[an_id].deleted and email in {None, customers[an_id].email}

        found = page(self._account.customer_order, query, kind="customer", fits=fits)
        return _list("/v1/customers", found, lambda an_id: customer_json(customers[an_id], version))

    def _list_subscriptions(self, request: Request, version: str) -> Any:
        query = read_list_query(request.query, filters={"customer", "status"})
        subscriptions, customer = self._account.subscriptions, query.value("customer")
        has_status = _status_filter(query)

        def fits(an_id: str) -> bool:
            one = subscriptions[an_id]
            return has_status(one.status) and customer in {None, one.customer}

        found = page(self._account.subscription_order, query, kind="subscription", fits=fits)
        return _list(
            "/v1/subscriptions", found, lambda an_id: subscription_json(subscriptions[an_id], version)
        )

    def _list_events(self, request: Request) -> Any:
        query = read_list_query(request.query, filters={"type", "types", "delivery_success"})
        query = replace(query, seconds=query.seconds.not_before(self._oldest_event_second()))
        types = {*query.filters.get("types", ()), *query.filters.get("type", ())}
        succeeded = query.value("delivery_success")

        def fits(an_id: str) -> bool:
            if types and self._event(an_id).type not in types:
                return False
            return succeeded is None or self._is_delivered(an_id) == (succeeded == "true")

        found = page(self._account.event_order, query, kind="event", fits=fits)
        return _list("/v1/events", found, lambda an_id: self._event_json(self._event(an_id)))

    def _retrieve_event(self, event_id: str) -> Any:
        event = self._account.event(event_id)
        if event is None or event.created < self._oldest_event_second():
            raise errors.no_such("event", event_id)
        return self._event_json(event)

    def _event_json(self, event: AccountEvent) -> Any:
        return event_json(event, pending_webhooks=int(self._deliveries.is_pending(event.id)))

    def _oldest_event_second(self) -> int:
        return self._now() - EVENTS_KEPT_SECONDS

    def _is_delivered(self, event_id: str) -> bool:
        return not (self._deliveries.is_pending(event_id) or self._deliveries.has_failed(event_id))

    def _event(self, event_id: str) -> AccountEvent:
        event = self._account.event(event_id)
        if event is None:
            raise KeyError(event_id)
        return event


def of_several_accounts(apis: Sequence[Api]) -> Handler:
    """Make one address for several accounts, distinguished by the key, as Stripe does; the first answers requests with an unknown key."""
    by_key = {api.api_key: api for api in apis}

    async def answer(request: Request) -> Response:
        return await by_key.get(_key_of(request), apis[0]).answer(request)

    return answer


def _key_of(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ").strip()


def _nothing(request: Request) -> Any:
    """Answer for a kind of object that is not simulated: there is none."""
    if request.method != "GET" or request.path not in _PATHS:
        raise errors.unknown_url(request.method, request.path)
    return {"object": "list", "url": request.path, "has_more": False, "data": []}


async def _apply(fault: Fault | None) -> None:
    match fault:
        case None | Fault(kind=FaultKind.STALE):
            return
        case Fault(kind=FaultKind.RESET):
            raise HangUpError
        case Fault(kind=FaultKind.SLOW):
            await asyncio.sleep(fault.seconds)
        case Fault(kind=FaultKind.SILENCE):
            await asyncio.sleep(fault.seconds)
            raise HangUpError
        case Fault(kind=kind):
            refuse = _ERRORS[kind]
            raise refuse()


def _status_filter(query: ListQuery) -> Callable[[str], bool]:
    wanted = query.value("status")
    if wanted is not None and wanted not in _STATUSES:
        raise errors.invalid_choice("status", wanted)
    match wanted:
        case None:
            return lambda status: status != "canceled"
        case "all":
            return lambda _: True
        case "ended":
            return lambda status: status in {"canceled", "incomplete_expired"}
        case _:
            return lambda status: status == wanted


def _list(url: str, found: ListPage, render: Callable[[str], Any]) -> Any:
    data = [render(an_id) for an_id in found.ids]
    return {"object": "list", "data": data, "has_more": found.has_more, "url": url}
