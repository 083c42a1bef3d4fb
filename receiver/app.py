"""The receiver: a Flask application whose view takes a webhook from its bytes to the answer.

    flask --app receiver.app run
    gunicorn --threads 16 "receiver.app:create_app()"

It runs under any WSGI server, and its blueprint in any Flask application. For high volume the Procfile starts receiver/fastpath/
in front of it: the same intake and the same answers, from an event loop.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, abort, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from cogento import reporting, runtime
from cogento.accounts import webhook_path
from cogento.events.errors import RejectedError
from cogento.settings import ReceiverSettings, load_each
from receiver import metrics
from receiver.answers import RetryLaterError, accept, internal_error, refuse
from receiver.composition import Composed
from receiver.probes import respond
from receiver.reading import METHOD, read_from, read_head
from receiver.start import require_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flask import Response

    from receiver.composition import ReceiverParts
    from receiver.intake import Intake


def create_app(*each: ReceiverSettings) -> Flask:
    """Make the receiver from each account's settings, by default those of the environment.

    Ends the process with exit code 78 where they can never be right; Redis may be away.
    """
    each = each or load_each(ReceiverSettings)
    settings = each[0]
    dsn = settings.sentry_dsn
    reporting.configure(
        "receiver",
        level=settings.log_level,
        sentry_dsn=dsn.get_secret_value() if dsn else None,
        sentry_environment=settings.sentry_environment,
    )
    require_entry(each)
    return create_flask(Composed(each), paths=_paths(each))


def create_blueprint(*each: ReceiverSettings) -> Blueprint:
    """Make a blueprint that answers `POST /webhooks/stripe` in an application of yours, below its `url_prefix`, for each account.

    Logs, error reports and health checks are left to your application.
    """
    each = each or load_each(ReceiverSettings)
    return webhook_blueprint(Composed(each), paths=_paths(each))


def _paths(each: Sequence[ReceiverSettings]) -> list[str]:
    return [webhook_path(settings.account) for settings in each]


def webhook_blueprint(parts: Callable[[], ReceiverParts], *, paths: Sequence[str]) -> Blueprint:
    """Make a blueprint around given parts, with one path for each account's intake."""
    blueprint = Blueprint("cogento", __name__)
    for path in paths:
        blueprint.add_url_rule(
            path,
            endpoint=f"webhook{path.replace('/', '_')}",
            view_func=lambda path=path: receive_webhook(parts().intakes[path]),
            methods=[METHOD],
            provide_automatic_options=False,
        )
    return blueprint


def receive_webhook(intake: Intake) -> Response:
    """Answer a webhook: 2xx only for an event that is kept or not for us."""
    begun = time.perf_counter()
    headers = _headers(request.environ)
    try:
        head = read_head(headers)
        # werkzeug has no other name for what `request.get_data()` read in the application around us.
        read_before = getattr(request, "_cached_data", None)
        body = read_from(request.environ, head.length, read_before=read_before)
        answer = accept(runtime.run(intake.handle(body, head.signature)))
    except (RejectedError, RetryLaterError) as error:
        answer = intake.refuse(error, headers)
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing of it is quoted and the next request is served
        return respond(internal_error(error))
    metrics.time_answer(answer.outcome, time.perf_counter() - begun, intake.account)
    return respond(answer)


def create_flask(parts: Callable[[], ReceiverParts], *, paths: Sequence[str]) -> Flask:
    """Make the whole application around given parts: webhooks, probes and metrics, and the answer to unknown URLs."""
    app = Flask("receiver", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False  # a URL matches exactly or is unknown; nothing redirects
    app.register_blueprint(webhook_blueprint(parts, paths=paths))
    app.before_request(_refuse_other_spellings)
    app.register_error_handler(HTTPException, _refuse)
    app.register_error_handler(Exception, lambda error: respond(internal_error(error)))

    @app.get("/healthz")
    def health() -> Response:
        return parts().probes.health()

    @app.get("/readyz")
    def ready() -> Response:
        return parts().probes.ready()

    @app.get("/metrics")
    def counted() -> Response:
        return parts().probes.counted()

    return app


def _headers(environ: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Return the request's headers in ASGI's form; WSGI has joined one that came twice."""
    named = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
    named |= {name: environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)}
    return [
        (name.lower().replace("_", "-").encode("latin-1"), value.encode("latin-1"))
        for name, value in named.items()
    ]


def _refuse_other_spellings() -> None:
    """Refuse `//healthz`, which werkzeug treats as the URL with one slash."""
    if request.url_rule and request.environ["PATH_INFO"] != request.url_rule.rule:
        abort(HTTPStatus.NOT_FOUND)


def _refuse(error: HTTPException) -> Response:
    """Answer a request that Flask itself refuses: an unknown URL or method."""
    if isinstance(error, MethodNotAllowed):
        refusal = RejectedError("method_not_allowed", "Method not allowed.")
    else:
        refusal = RejectedError("not_found", "Nothing is at this address.")
    metrics.count_answer(refusal.code)
    response = respond(refuse(refusal))
    response.allow.update(getattr(error, "valid_methods", None) or ())
    return response
