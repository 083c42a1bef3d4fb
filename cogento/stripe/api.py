"""Stripe's REST API as far as this project asks: objects that have a table, and events, as raw JSON.

Read only, as a restricted key may be (what is set up at Stripe is in cogento/stripe/account.py). Returns bytes that
cogento.events can read: the SDK's own objects are not dicts, and hold Decimals. Knows neither Redis nor Postgres, nor what the
answers mean.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from cogento import reporting
from cogento.stripe.requests import Requests, StripeAnswer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Sequence

    from cogento.events.kinds.kind import Kind, Parts
    from cogento.events.names import CustomerId, ObjectId
    from cogento.stripe.requests import RateLimit, Transport

API_VERSION = "2026-06-24.dahlia"
"""The API version of all requests, whatever the account's own is."""

API_BASE = "https://api.stripe.com"
TIMEOUT_SECONDS = 20.0
PAGE = 100  # objects; Stripe's maximum

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list, in Stripe's order (newest first), with each object's exact bytes, and the id after which the next one begins.

    `at` is as in StripeAnswer.
    """

    objects: tuple[bytes, ...]
    last_id: str | None
    has_more: bool
    at: int


class StripeApi:
    """Asks Stripe; for one event loop. Everything raises StripeApiError."""

    def __init__(self, requests: Requests, close: Callable[[], Coroutine[object, object, None]]) -> None:
        self._requests = requests
        self._objects: RequestCoalescer[StripeAnswer] = RequestCoalescer()
        self.close = close

    @classmethod
    def connect(
        cls,
        key: str,
        limit: RateLimit,
        *,
        base: str = API_BASE,
        account: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        jitter: Callable[[], float] = random.random,
    ) -> StripeApi:
        """Make an API of a key; `account` is a Connect account that the key may act for. `close` ends it."""
        from cogento.stripe.sdk import Sdk  # noqa: PLC0415 - who has no key need not load it

        sdk = Sdk(key, base=base, account=account, api_version=API_VERSION, timeout_seconds=timeout_seconds)
        send: Transport = sdk.send
        if reporting.is_tracing():
            from cogento.tracing import traced_transport  # noqa: PLC0415 - loads OpenTelemetry

            send = traced_transport(send)
        return cls(Requests(send, limit, jitter=jitter), sdk.close)

    async def fetch(self, kind: Kind, object_id: ObjectId) -> StripeAnswer:
        """Ask for one object as it is now and complete, for example a subscription with all of its items.

        At most one such request for an object is under way at once. A deleted customer is answered by its
        stub (`deleted: true`); an object that never was, or that the key cannot see, raises (`is_missing`).
        """
        return await self._objects.join(object_id, lambda: self._fetch(kind, object_id))

    async def now(self) -> int:
        """Ask what time it is by Stripe's clock, in Unix seconds."""
        return (await self._requests.get("/v1/events", limit=1)).sent_at

    async def event(self, event_id: str) -> StripeAnswer:
        """Ask for one event, as its webhook carried it; missing after thirty days."""
        return await self._requests.get(f"/v1/events/{quote(event_id, safe='')}")

    async def events(
        self, types: Sequence[str], *, since: int, before: int, after_id: str | None = None
    ) -> Page:
        """List events of these types (20 at most) of the seconds `since` to `before`, delivered or not."""
        created = {"gte": since, "lt": before}
        return await self._page("/v1/events", types=list(types), created=created, starting_after=after_id)

    async def objects(
        self,
        kind: Kind,
        *,
        since: int | None = None,
        before: int | None = None,
        after_id: str | None = None,
        customer_id: CustomerId | None = None,
    ) -> Page:
        """List objects by the second of their creation: those that have ended, too, but no deleted customers.

        With `customer_id` only that customer's, for a kind that belongs to customers.
        """
        created = {name: second for name, second in (("gte", since), ("lt", before)) if second is not None}
        return await self._page(
            kind.path,
            created=created or None,
            starting_after=after_id,
            customer=customer_id,
            **kind.list_parameters,
        )

    async def _page(self, path: str, **parameters: Any) -> Page:
        given = {name: value for name, value in parameters.items() if value is not None}
        answer = await self._requests.get(path, limit=PAGE, **given)
        found = msgspec.json.decode(answer.body, type=_List)
        last_id = msgspec.json.decode(found.data[-1], type=_WithId).id if found.data else None
        return Page(tuple(bytes(one) for one in found.data), last_id, found.has_more, answer.at)

    async def _fetch(self, kind: Kind, object_id: ObjectId) -> StripeAnswer:
        answer = await self._requests.get(f"{kind.path}/{quote(object_id, safe='')}")
        if kind.parts is None or b'"has_more"' not in answer.body:
            return answer
        whole = json.loads(answer.body)
        if kind.has_all_parts(whole):
            return answer
        parts = [json.loads(part) async for part in self._parts(kind.parts, object_id)]
        whole[kind.parts.field] |= {"data": parts, "has_more": False}
        return StripeAnswer(json.dumps(whole).encode(), answer.at)

    async def _parts(self, parts: Parts, object_id: ObjectId) -> AsyncIterator[bytes]:
        """List the elements of which the object holds only the first."""
        path = parts.path.format(id=quote(object_id, safe=""))
        named = {parts.parameter: object_id} if parts.parameter else {}
        after_id, has_more = None, True
        while has_more:
            page = await self._page(path, starting_after=after_id, **named)
            after_id, has_more = page.last_id, page.has_more
            for part in page.objects:
                yield part


class RequestCoalescer(Generic[T]):
    """Requests under way on one event loop, by what they ask for: callers who want the same share one answer."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}

    async def join(self, what: Hashable, request: Callable[[], Coroutine[object, object, T]]) -> T:
        """Send a request, or join one under way; a caller that gives up waiting stops no other."""
        task = self._under_way.get(what)
        if task is None:
            task = self._under_way[what] = asyncio.create_task(request())
            task.add_done_callback(lambda done: self._end(what, done))
        return await asyncio.shield(task)

    def _end(self, what: Hashable, done: asyncio.Task[T]) -> None:
        del self._under_way[what]
        if not done.cancelled():
            done.exception()  # read, so that asyncio does not warn of a failure for which nobody waits any more


class _WithId(msgspec.Struct):
    id: str


class _List(msgspec.Struct):
    data: list[msgspec.Raw]
    has_more: bool
