"""One answer in two forms: a page for people, and the same values as JSON for programs that accept nothing else first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flask import Response, render_template, request

from cogento.console.formatting import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

HTML, JSON = "text/html", "application/json"


def wants_json() -> bool:
    """Tell whether the request would rather have JSON than a page; a browser never would."""
    return request.accept_mimetypes.best_match([HTML, JSON]) == JSON


def show(
    template: str,
    values: Mapping[str, object],
    *,
    drawn: Mapping[str, object] | None = None,
    status: int = 200,
) -> Response:
    """Answer with a template filled with values, or with the values themselves where JSON is preferred.

    `drawn` has what only the template needs: a chart's bars, a form's choices.
    """
    if wants_json():
        body, mimetype = json.dumps(values, default=plain, indent=2), JSON
    else:
        body, mimetype = render_template(template, **{**values, **(drawn or {})}), HTML
    return Response(body, status, {"Vary": "Accept"}, mimetype=mimetype)


def show_message(title: str, text: str, *, status: int) -> Response:
    """Answer with a page of one message; as JSON it is an error with its text."""
    if wants_json():
        body = json.dumps({"error": {"title": title, "message": text}})
        return Response(body, status, {"Vary": "Accept"}, mimetype=JSON)
    page = render_template("message.html", title=title, text=text)
    return Response(page, status, {"Vary": "Accept"}, mimetype=HTML)
