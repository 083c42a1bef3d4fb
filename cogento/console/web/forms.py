"""Forms that change something: each carries a token that only our own pages can have given it.

Another site can make a browser send a form here, cookies and all, but it cannot read our pages, and so
never learns the token. Together with the guards' look at where a request comes from.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

from flask import abort, g, request

from cogento.console.web.guards import SAFE_METHODS

if TYPE_CHECKING:
    from flask import Flask


def require(token: str) -> None:
    """Give this request's pages the token for their forms, and refuse a form that comes without it."""
    g.form_token = token
    is_form = request.endpoint is not None and request.method not in SAFE_METHODS
    if is_form and not same(request.form.get("token"), token):
        abort(403, "The form had gone stale. Go back and try again.")


def require_everywhere(app: Flask) -> None:
    """Guard the forms of a console without logins by one token, which lives as long as the process."""
    token = secrets.token_urlsafe(32)
    app.before_request(lambda: require(token))


def same(given: str | None, expected: str | None) -> bool:
    """Compare two tokens in a time that tells nothing; none is never right."""
    return bool(given and expected and hmac.compare_digest(given.encode(), expected.encode()))
