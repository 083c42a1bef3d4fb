"""The receiver's application: what is answered at which address, with everything it needs passed in."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from a2wsgi import WSGIMiddleware
from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from cogento.events.errors import RejectedError
from receiver import metrics, webhook
from receiver.answers import refuse
from receiver.probes import Probes, respond
from receiver.webhook import Webhook

if TYPE_CHECKING:
    from flask import Response

    from cogento.serving.asgi import Application
    from receiver.intake import Intake
    from receiver.probes import Readiness


def create_app(intake: Intake, *, readiness: Readiness, metrics_token: str | None = None) -> Webhook:
    """Make the receiver's ASGI application; see `Webhook` and `Probes` for what the arguments must do."""
    flask = create_flask(Probes(readiness, metrics_token))
    return Webhook(intake, otherwise=cast("Application", WSGIMiddleware(flask)))  # type: ignore[arg-type]


def create_flask(probes: Probes) -> Flask:
    """Make the Flask application, which answers in threads whatever is no webhook."""
    app = Flask("receiver", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # `Webhook` names our mistakes; Flask would quote them
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False  # an address is itself or unknown; nothing redirects
    app.add_url_rule("/healthz", view_func=probes.health)
    app.add_url_rule("/readyz", view_func=probes.ready)
    app.add_url_rule("/metrics", view_func=probes.counted)
    # Flask knows the address, to tell other methods which one is right; the webhook itself stands before it.
    app.add_url_rule(webhook.PATH, endpoint="webhook", methods=[webhook.METHOD])
    app.before_request(_refuse_other_spellings)
    app.register_error_handler(HTTPException, _refuse)
    return app


def _refuse_other_spellings() -> None:
    """Refuse `//healthz`, which werkzeug takes for the address with one slash."""
    if request.url_rule and request.environ["PATH_INFO"] != request.url_rule.rule:
        abort(HTTPStatus.NOT_FOUND)


def _refuse(error: HTTPException) -> Response:
    """Answer what Flask itself refuses: an unknown address or method."""
    if isinstance(error, MethodNotAllowed):
        refusal = RejectedError("method_not_allowed", "Method not allowed.")
    else:
        refusal = RejectedError("not_found", "Nothing is at this address.")
    metrics.count_answer(refusal.code)
    response = respond(refuse(refusal))
    response.allow.update(getattr(error, "valid_methods", None) or ())
    return response
