"""The Flask application: what is answered at which address, with everything it needs passed in."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import sentry_sdk
import structlog
from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed

from events.errors import RejectedError
from receiver import metrics
from receiver.answers import refuse
from receiver.probes import Probes
from receiver.responses import respond
from receiver.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from receiver.intake import Intake
    from receiver.probes import Readiness
    from receiver.reading import TimeLimit

_log = structlog.get_logger()


def create_app(
    intake: Intake, *, readiness: Readiness, time_limit: TimeLimit, metrics_token: str | None = None
) -> Flask:
    """Make the receiver's application; see `Webhook` and `Probes` for what the arguments must do."""
    app = Flask("receiver", static_folder=None)
    app.logger.disabled = True  # it quotes errors; `_fail` names them
    app.url_map.merge_slashes = False  # an address is itself or unknown; nothing redirects
    app.url_map.strict_slashes = True
    probes = Probes(readiness, time_limit, metrics_token)
    _route(app, "/webhooks/stripe", Webhook(intake, time_limit), method="POST")
    _route(app, "/healthz", probes.health)
    _route(app, "/readyz", probes.ready)
    _route(app, "/metrics", probes.counted)
    app.before_request(_refuse_other_spellings)
    app.register_error_handler(HTTPException, _refuse)
    app.register_error_handler(InternalServerError, _fail)
    return app


def _route(app: Flask, rule: str, view: Callable[[], Response], *, method: str = "GET") -> None:
    app.add_url_rule(rule, endpoint=rule, view_func=view, methods=[method], provide_automatic_options=False)


def _refuse_other_spellings() -> None:
    """Refuse `//webhooks/stripe`, which werkzeug takes for the address with one slash."""
    if request.url_rule and request.environ["PATH_INFO"] != request.url_rule.rule:
        abort(HTTPStatus.NOT_FOUND)


def _refuse(error: HTTPException) -> Response:
    """Answer what Flask itself refuses: an unknown address or method."""
    if isinstance(error, MethodNotAllowed):
        refusal = RejectedError("method_not_allowed", "This address takes another method.")
    else:
        refusal = RejectedError("not_found", "Nothing is at this address.")
    metrics.count_answer(refusal.code)
    response = respond(refuse(refusal))
    response.allow.update(getattr(error, "valid_methods", None) or ())
    return response


def _fail(error: InternalServerError) -> Response:
    """Answer a mistake of ours without a word about it; Stripe sends the event again."""
    cause = error.original_exception or error
    _log.error("request_failed", exc_info=cause)
    sentry_sdk.capture_exception(cause)
    metrics.count_answer("internal_error")
    return respond(refuse(RejectedError("internal_error", "This is our mistake; try again.")))
