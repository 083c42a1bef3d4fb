"""What a person sets up at Stripe: the rights of a key, and the webhook endpoints of its account.

For commands that send a few requests once, outside the rate limit that processes share: neither Redis nor Postgres is needed.
The one place that writes to Stripe; it makes endpoints, and changes or deletes none.
"""

from __future__ import annotations

import random
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from cogento.events.kinds import KINDS
from cogento.stripe.api import API_BASE, API_VERSION, PAGE, TIMEOUT_SECONDS
from cogento.stripe.errors import FORBIDDEN, StripeApiError
from cogento.stripe.requests import Requests, Unlimited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

LISTS = {kind.path: kind.plural.replace("_", " ").capitalize() for kind in KINDS} | {"/v1/events": "Events"}
"""The lists that a key must be allowed to read: their paths, and their names among a key's rights in Stripe's dashboard."""

ENDPOINTS = "/v1/webhook_endpoints"
DESCRIPTION = f"cogento: {', '.join(kind.plural for kind in KINDS)}"


@dataclass(frozen=True, slots=True)
class KeyRights:
    """The lists that a key may not read, as Stripe's dashboard calls them, and the second by Stripe's clock; None without a date."""

    denied: tuple[str, ...]
    at: int | None


class WebhookEndpoint(msgspec.Struct, frozen=True):
    """An endpoint in Stripe's own field names; `secret` is given only at its creation, `api_version` None means the account's own."""

    id: str
    url: str
    status: str
    livemode: bool
    enabled_events: tuple[str, ...]
    api_version: str | None = None
    secret: str | None = None


class StripeAccount:
    """Requests for the account of a key, or for a connected one that the key may act for; everything raises StripeApiError."""

    def __init__(self, requests: Requests, *, connected: str | None = None) -> None:
        self._requests = requests
        self._connected = connected

    @classmethod
    @asynccontextmanager
    async def open(
        cls, key: str, *, base: str = API_BASE, connected: str | None = None
    ) -> AsyncIterator[StripeAccount]:
        """Open the connections, for the length of a block."""
        from cogento.stripe.sdk import Sdk  # noqa: PLC0415 - who has no key need not load it

        sdk = Sdk(key, base=base, account=None, api_version=API_VERSION, timeout_seconds=TIMEOUT_SECONDS)
        try:
            yield cls(Requests(sdk.send, Unlimited(), jitter=random.random), connected=connected)
        finally:
            await sdk.close()

    async def rights(self) -> KeyRights:
        """Find out what the key may not read; one that Stripe does not know raises, with status 401."""
        on_behalf = {"stripe_account": self._connected} if self._connected else {}
        denied: list[str] = []
        at = None
        for path, name in LISTS.items():
            try:
                at = (await self._requests.get(path, limit=1, **on_behalf)).sent_at
            except StripeApiError as error:
                if error.status != FORBIDDEN:
                    raise
                denied.append(name)
        return KeyRights(tuple(denied), at)

    async def endpoints(self) -> list[WebhookEndpoint]:
        """List the endpoints of the mode of the key, the newest first."""
        found: list[WebhookEndpoint] = []
        has_more = True
        while has_more:
            after = {"starting_after": found[-1].id} if found else {}
            answer = await self._requests.get(ENDPOINTS, limit=PAGE, **after)
            page = msgspec.json.decode(answer.body, type=_Endpoints)
            found += page.data
            has_more = page.has_more and bool(page.data)
        return found

    async def create_endpoint(self, url: str, *, types: Sequence[str]) -> WebhookEndpoint:
        """Make an endpoint for these types, in the API version of api.py; the answer has its secret.

        For a connected account it gets the events of all connected accounts: Stripe offers no narrower choice.
        """
        whose = {"connect": "true"} if self._connected else {}
        answer = await self._requests.post(
            ENDPOINTS,
            idempotency_key=str(uuid.uuid4()),
            url=url,
            enabled_events=list(types),
            api_version=API_VERSION,
            description=DESCRIPTION,
            **whose,
        )
        return msgspec.json.decode(answer.body, type=WebhookEndpoint)


class _Endpoints(msgspec.Struct):
    data: list[WebhookEndpoint]
    has_more: bool
