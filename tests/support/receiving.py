"""A receiver for webhooks that remembers what it got and answers as it is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cogento.local.stripe.http_server import HangUpError, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterable

HANG_UP = 0


class Receiver:
    """Answers with `statuses` in turn, then always 200; HANG_UP resets the connection instead."""

    def __init__(self, statuses: Iterable[int] = ()) -> None:
        self.requests: list[Request] = []
        self._statuses = iter(statuses)

    async def answer(self, request: Request) -> Response:
        """Take a request."""
        self.requests.append(request)
        status = next(self._statuses, 200)
        if status == HANG_UP:
            raise HangUpError
        return Response(status, b"{}")

    @property
    def bodies(self) -> list[Any]:
        """Every body got, parsed."""
        return [json.loads(request.body) for request in self.requests]
