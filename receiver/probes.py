"""What machines ask of the receiver: whether it is alive, whether it can accept events, and what it has counted.

/healthz is for restarts and queries no server; /readyz is for routing and writes to Redis, because a PING succeeds while Redis
is full, read-only or cannot write its file. Neither involves Postgres: receiving works without it. Answers that say more than
yes or no are not for the internet (see `is_trusted`).

/metrics shows what this receiver counted, and what Redis knows of queue, workers and tables, over connections of its
own: a Redis that is slow delays a scrape, and neither webhooks nor the other probes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import msgspec
from flask import Response, abort, request
from prometheus_client import CONTENT_TYPE_LATEST

from cogento import runtime
from cogento.events.errors import TransientError
from cogento.metrics.exposition import NOTHING_KNOWN, exposition, exposition_of, is_trusted, shown_tables
from cogento.serving.answers import HttpAnswer
from receiver import metrics
from receiver.answers import RetryLaterError, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.queue.figures import KeptTables, QueueFigures

PROBE_SECONDS = 0.3
SCRAPE_SECONDS = 2.0


class Readiness(Protocol):
    """Tells whether the mailboxes would keep an event now; all methods raise TransientError."""

    async def probe(self) -> Mapping[str, str]:
        """Write to the mailboxes' server and return what a 2xx promises, and its warning if there is one."""

    async def describe(self) -> Mapping[str, object]:
        """Return the facts of the server that keeps the promise."""

    async def figures(self) -> Mapping[str | None, tuple[QueueFigures, KeptTables | None]]:
        """Return each account's figures from Redis, by its name if it has one, and those of Postgres that a worker kept there."""


@dataclass(frozen=True, slots=True)
class Probes:
    """The views of /healthz, /readyz and /metrics."""

    readiness: Readiness
    token: str | None = field(repr=False)

    def health(self) -> Response:
        """Answer that this process can answer."""
        return _page({"status": "ok"})

    def ready(self) -> Response:
        """Answer whether an event would be kept now; `?verbose` adds the server's facts."""
        verbose = "verbose" in request.args
        if verbose and not is_trusted(request.environ, self.token):
            abort(HTTPStatus.NOT_FOUND)
        try:
            asked = self._described() if verbose else self._shown()
            return _page(runtime.run(asked, timeout_seconds=PROBE_SECONDS))
        except (TransientError, TimeoutError):
            return respond(
                refuse(RetryLaterError("mailbox_unavailable", "The queue cannot keep events now."))
            )

    def counted(self) -> Response:
        """Answer with the metrics, to those who may see them."""
        if not is_trusted(request.environ, self.token):
            abort(HTTPStatus.NOT_FOUND)
        return Response(metrics.exposition() + self._known(), HTTPStatus.OK, content_type=CONTENT_TYPE_LATEST)

    def _known(self) -> bytes:
        """Write the metrics from Redis, or that it does not answer."""
        try:
            figures = runtime.run(self.readiness.figures(), timeout_seconds=SCRAPE_SECONDS)
        except (TransientError, TimeoutError):
            return exposition(None, NOTHING_KNOWN)
        return exposition_of(
            {account: (queue, shown_tables(tables)) for account, (queue, tables) in figures.items()}
        )

    async def _shown(self) -> Mapping[str, object]:
        return {"status": "ready", **await self.readiness.probe()}

    async def _described(self) -> Mapping[str, object]:
        return {**await self._shown(), "server": await self.readiness.describe()}


def _page(content: Mapping[str, object]) -> Response:
    return Response(msgspec.json.encode(content), HTTPStatus.OK, mimetype="application/json")


def respond(answer: HttpAnswer) -> Response:
    """Convert an answer to Flask's."""
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.http_status, headers)
