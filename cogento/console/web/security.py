"""The rules for every request and every answer of the console, whatever the page.

The answer's headers keep a page from being framed, sniffed, cached or made to run foreign script.
The request's checks keep other sites, and names that merely resolve to this machine
(DNS rebinding), from sending requests through a browser that is logged in. Each form carries a token: another site can make a
browser send a form here, cookies included, but it cannot read our pages, and so never learns the token.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Response, abort, request

if TYPE_CHECKING:
    from collections.abc import Collection

    from flask import Flask

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
SAME_SITE = frozenset({"same-origin", "none"})
SAFE_METHODS = frozenset({"GET", "HEAD"})
MAX_FORM_BYTES = 8192
MAX_LOGIN_FORM_BYTES = 4 * MAX_FORM_BYTES
"""The login form may carry another form that was posted without a session, each of its fields under a longer name."""


def protect(app: Flask, *, hosts: Collection[str]) -> None:
    """Protect every page of the application, also those that fail; `hosts` are its names."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM_BYTES
    app.before_request(lambda: _refuse_other_hosts(hosts))
    app.before_request(_refuse_other_sites)
    app.after_request(_add_headers)


def _refuse_other_hosts(hosts: Collection[str]) -> None:
    name = urlsplit(f"//{request.host}").hostname
    if name not in hosts:
        # In plain text: with an invalid host name Flask can build no URL, and so render no page.
        abort(
            Response(
                "The console does not go by this name: add it to CONSOLE_HOSTS.", 400, mimetype="text/plain"
            )
        )


def _refuse_other_sites() -> None:
    """Refuse a POST that another site's page made the browser send.

    Browsers since 2023 say where a request comes from; older ones send Origin. Sec-Fetch-Site counts first, because our own
    Referrer-Policy makes browsers say `Origin: null`.
    """
    if request.method in SAFE_METHODS:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is None and origin is not None:
        site = "same-origin" if origin.partition("://")[2] == request.host else "cross-site"
    if site is not None and site not in SAME_SITE:
        abort(403, "This request came from another site.")


def _add_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response


def is_same_token(given: str | None, expected: str | None) -> bool:
    """Compare two tokens in constant time; a missing token never matches."""
    return bool(given and expected and hmac.compare_digest(given.encode(), expected.encode()))
