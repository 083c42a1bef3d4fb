"""What a user was about to do when the login came first: the page they asked for, or the form they had filled in.

Only URLs of our own pages and forms are kept, so that a link to our login leads nowhere else. A kept form is shown again for the
user to send, and never sent by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from flask import current_app, render_template, request, url_for
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ADDRESS_LENGTH = 2000
OWN_PATHS = "/console"
FIELD = "unsent."
NOT_KEPT = frozenset({"login", "logout", "static", "live"})


@dataclass(frozen=True, slots=True)
class UnsentForm:
    """A form that was filled in and not accepted: where it goes, and each field with its values, without the token."""

    action: str
    fields: Mapping[str, list[str]]

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """Each field and value, as hidden inputs hold them."""
        return [(name, value) for name, values in self.fields.items() for value in values]

    @property
    def back(self) -> str:
        """The page that the form was on, or the nearest one above it; never a question about all letters, which the form was not."""
        path = urlsplit(self.action).path
        while path and _endpoint_of(path, "GET") in {None, "confirm_letters"}:
            path = path.rpartition("/")[0]
        return path or url_for("overview")


def own_address(target: str, method: str) -> str | None:
    """Return a URL path that is one of our pages, or of our forms (POST); None for any other.

    No browser leaves this host for it: it begins with our path, and holds nothing that browsers read as another host.
    """
    return None if _endpoint_of(target, method) is None else target


def _endpoint_of(target: str, method: str) -> str | None:
    if len(target) > MAX_ADDRESS_LENGTH or not target.startswith(request.script_root + OWN_PATHS):
        return None
    if "\\" in target or not target.isprintable() or " " in target:
        return None
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None  # noqa: S101
    try:
        endpoint, _ = adapter.match(
            unquote(urlsplit(target).path).removeprefix(request.script_root), method=method
        )
    except (HTTPException, ValueError):
        return None
    return None if endpoint in NOT_KEPT else endpoint


def asked_page() -> str | None:
    """Return the page that this request asks for, to come back to; None where it is not a page of ours, or may name a person."""
    if request.endpoint == "explain" and "@" in request.args.get("id", ""):
        return None
    return own_address(_asked(), "GET")


def posted_form() -> UnsentForm | None:
    """Return the form that this request posts, to be sent later; None where it is not a form of ours."""
    action = own_address(_asked(), "POST") if request.method == "POST" else None
    if action is None:
        return None
    fields = {name: request.form.getlist(name) for name in request.form if name != "token"}
    return UnsentForm(action, fields)


def kept_form() -> UnsentForm | None:
    """Return the form that the login form carries."""
    action = own_address(request.form.get("unsent", ""), "POST")
    if action is None:
        return None
    fields = {
        name.removeprefix(FIELD): request.form.getlist(name)
        for name in request.form
        if name.startswith(FIELD)
    }
    return UnsentForm(action, fields)


def _asked() -> str:
    query = request.query_string.decode("latin-1")
    path = quote(request.script_root + request.path)
    return f"{path}?{query}" if query else path


def show_unsent(form: UnsentForm, text: str) -> str:
    """Render the page on which a form can be read and sent again."""
    return render_template("unsent.html", form=form, text=text)
