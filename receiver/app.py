"""The Flask application: what is answered at which address, with everything it needs passed in."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from events.errors import RejectedError
from receiver import metrics, webhook
from receiver.answers import refuse
from receiver.probes import Probes
from receiver.webhook import Webhook

if TYPE_CHECKING:
    from receiver.intake import Intake
    from receiver.probes import Readiness
    from receiver.reading import TimeLimit


def create_app(
    intake: Intake, *, readiness: Readiness, time_limit: TimeLimit, metrics_token: str | None = None
) -> Flask:
    """Make the receiver's application; see `Webhook` and `Probes` for what the arguments must do."""
    app = Flask("receiver", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # the server names our mistakes; Flask would quote them
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False  # an address is itself or unknown; nothing redirects
    probes = Probes(readiness, time_limit, metrics_token)
    app.add_url_rule("/healthz", view_func=probes.health)
    app.add_url_rule("/readyz", view_func=probes.ready)
    app.add_url_rule("/metrics", view_func=probes.counted)
    # Flask knows the address, to tell other methods which one is right; the webhook itself stands before it.
    app.add_url_rule(webhook.PATH, endpoint="webhook", methods=[webhook.METHOD])
    app.wsgi_app = Webhook(intake, time_limit, otherwise=app.wsgi_app)  # type: ignore[method-assign]
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
        refusal = RejectedError("method_not_allowed", "This address takes another method.")
    else:
        refusal = RejectedError("not_found", "Nothing is at this address.")
    metrics.count_answer(refusal.code)
    answer = refuse(refusal)
    response = Response(answer.body, answer.http_status, answer.headers)
    response.allow.update(getattr(error, "valid_methods", None) or ())
    return response
