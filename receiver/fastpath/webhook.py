"""POST /webhooks/stripe from an event loop: what receiver/app.py does in a thread, for a seventh of its CPU.

An ASGI application in front of Flask, because making Flask's request and response objects takes longer than everything that is
done here (docs/decisions/0005-webhook-before-flask.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from a2wsgi import WSGIMiddleware

from cogento.events.errors import RejectedError
from cogento.serving.answers import CLOSE
from cogento.serving.answers import answer as send_answer
from cogento.serving.connection import LINGER_BYTES, LINGER_SECONDS
from receiver import metrics
from receiver.answers import RetryLaterError, accept, internal_error, refuse
from receiver.app import create_flask
from receiver.reading import METHOD, read_body, read_head

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.serving.answers import Application, HttpAnswer, Message, Receive, Scope, Send
    from receiver.composition import ReceiverParts
    from receiver.intake import Intake


def accelerated(parts: ReceiverParts) -> Webhook:
    """Make the fast path for given parts, with their Flask application behind it."""
    flask = create_flask(lambda: parts, paths=tuple(parts.intakes))
    return Webhook(parts.intakes, otherwise=cast("Application", WSGIMiddleware(flask)))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Webhook:
    """Answers 2xx only for events that are kept or not for us. Passes every other request on to `otherwise`.

    Each account's webhooks come to a path of their own, and the path alone decides whose secrets are tried.
    """

    intakes: Mapping[str, Intake]
    otherwise: Application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; an unexpected error is answered and reported, and not quoted."""
        try:
            intake = self.intakes.get(scope["path"])
            if intake is not None and scope["method"] == METHOD:
                await _serve(intake, scope, receive, send)
            else:
                await self.otherwise(scope, _without_body, send)
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, the next request is served
            await send_answer(internal_error(error), send)


async def _serve(intake: Intake, scope: Scope, receive: Receive, send: Send) -> None:
    begun = time.perf_counter()
    try:
        head = read_head(scope["headers"])
        body = await read_body(head.length, receive)
    except RejectedError as error:
        answer = intake.refuse(error, scope["headers"])
        metrics.time_answer(answer.outcome, time.perf_counter() - begun, intake.account)
        await _send_and_close(answer, receive, send)
        return
    try:
        answer = accept(await intake.handle(body, head.signature))
    except (RejectedError, RetryLaterError) as error:
        answer = refuse(error)
    metrics.time_answer(answer.outcome, time.perf_counter() - begun, intake.account)
    await send_answer(answer, send)


async def _without_body() -> Message:
    """Return an empty body in place of one that the application does not need: the server drops what comes of it."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send_and_close(answer: HttpAnswer, receive: Receive, send: Send) -> None:
    """Send an answer without having read the body, and close the connection after it.

    The body is read for a moment first: closing with unread bytes resets the connection and can lose the answer.
    """
    headers = [*answer.headers, CLOSE]
    await send({"type": "http.response.start", "status": answer.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            await _drop(receive)
    await send({"type": "http.response.body", "body": b""})


async def _drop(receive: Receive) -> None:
    dropped = 0
    while dropped < LINGER_BYTES:
        message = await receive()
        if not message.get("more_body"):
            return
        dropped += len(message.get("body", b""))
