"""Logging in to the console: a name and a password, a session in a cookie, and a token in every form.

Each role has one password, shared by its people; the name is the one that a person gives, and is recorded with whatever they do.
While Redis is away nobody can log in. Knows nothing of the other pages.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

import structlog
from flask import abort, g, make_response, redirect, render_template, request, url_for
from redis.exceptions import RedisError

from cogento.console.web.answers import show_message, wants_json
from cogento.console.web.browsers import KnownBrowsers
from cogento.console.web.proxies import Proxies
from cogento.console.web.security import MAX_LOGIN_FORM_BYTES, SAFE_METHODS, is_same_token
from cogento.console.web.sessions import whose
from cogento.console.web.unsent import asked_page, kept_form, own_address, posted_form, show_unsent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Flask, Response
    from werkzeug.wrappers import Response as AnyResponse

    from cogento.console.passwords import PasswordHash
    from cogento.console.web.sessions import LoginLimiter, Sessions
    from cogento.console.web.unsent import UnsentForm

# The prefix makes browsers refuse such a cookie from other hosts, other paths and plain HTTP.
SESSION_COOKIE = "__Host-cogento-session"
LOGIN_COOKIE = "__Host-cogento-login"
MAX_NAME_LENGTH = 64
MAX_PASSWORD_CHECKS = 3
MAX_CHECKS_OF_KNOWN = 2
NO_COOKIE = (
    "This browser sent no cookie back. Allow cookies for the console, and open it with https or as localhost. "
    "Then try again."
)
PUBLIC_ENDPOINTS = frozenset({"health", "login", "metrics", "static"})
CHANGE_NOTHING = frozenset({"logout", "search"})
"""Forms that viewers may send, too."""

_log = structlog.get_logger()


class ConsoleRole(StrEnum):
    """What a user may do: an operator everything, a viewer only look."""

    OPERATOR = "operator"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class User:
    """The user who sent a request."""

    name: str
    role: ConsoleRole

    @property
    def may_change(self) -> bool:
        """Whether this user may do more than look."""
        return self.role is ConsoleRole.OPERATOR

    @property
    def who(self) -> str:
        """What is kept with each action, for example `ops-1 (console)`."""
        return f"{self.name} (console)"


def current_user() -> User:
    """Return the user who sent this request; only public pages are shown without one."""
    return cast("User", g.user)


def read_name(text: str) -> str | None:
    """Strip a name that somebody gave; None when it is empty, too long, or has characters that cannot be printed."""
    name = " ".join(text.split())
    return name if 0 < len(name) <= MAX_NAME_LENGTH and name.isprintable() else None


def authorize(user: User, form_token: str) -> None:
    """Let a user's request through to its page: a change only with our own form's token, and from a user who may change things."""
    g.user, g.form_token = user, form_token
    if request.method in SAFE_METHODS or request.endpoint is None:
        return
    if not user.may_change and request.endpoint not in CHANGE_NOTHING:
        abort(403, "You are logged in as a viewer. Only operators can change something.")
    if is_same_token(request.form.get("token"), form_token):
        return
    form = posted_form()
    if form is None:
        abort(403, "This form has expired. Reload the page and try again.")
    text = "This form has expired, so nothing was sent. Check it, and send it again."
    abort(make_response(show_unsent(form, text), 403))


class LoginViews:
    """Logs in users who know a role's password; everything except PUBLIC_ENDPOINTS needs a session."""

    def __init__(
        self,
        passwords: Mapping[ConsoleRole, PasswordHash],
        sessions: Sessions,
        limiter: LoginLimiter,
        *,
        proxies: Proxies | None = None,
        on_login: Callable[[User, str], None] = lambda _user, _address: None,
    ) -> None:
        self._passwords = passwords
        self._roles = {password.fingerprint: role for role, password in passwords.items()}
        self._sessions = sessions
        self._limiter = limiter
        self._hashing = threading.Lock()  # one hash at a time: each takes every core, and 64 MB or more
        # The other threads stay free for pages, and a flood of strangers does not hold up known browsers.
        self._checks = threading.BoundedSemaphore(MAX_PASSWORD_CHECKS)
        self._checks_of_known = threading.BoundedSemaphore(MAX_CHECKS_OF_KNOWN)
        self._browsers = KnownBrowsers(passwords.values())
        self._proxies = proxies or Proxies()
        self._on_login = on_login  # called with who has logged in, and from which address

    def install(self, app: Flask) -> None:
        """Require a session for the application's pages, and add those to log in and out."""
        app.before_request(self._require_session)
        app.add_url_rule("/console/login", "login", self.login, methods=["GET", "POST"])
        app.add_url_rule("/console/logout", "logout", self.logout, methods=["POST"])
        app.register_error_handler(RedisError, _redis_unavailable)

    def login(self) -> AnyResponse:
        """Show the form, or check what was typed into it."""
        if request.method in SAFE_METHODS:
            return _form()
        request.max_content_length = MAX_LOGIN_FORM_BYTES
        if LOGIN_COOKIE not in request.cookies:
            return _form(NO_COOKIE, status=403)
        if not is_same_token(request.form.get("token"), request.cookies[LOGIN_COOKIE]):
            return _form("This form has expired. Try again.", status=403)
        name = read_name(request.form.get("name", ""))
        if name is None:
            return _form(f"Enter your name, in {MAX_NAME_LENGTH} characters or fewer.", status=400)
        browser = self._browsers.find()
        checks = self._checks if browser is None else self._checks_of_known
        if not checks.acquire(blocking=False):  # before it counts as an attempt
            _log.warning("login_busy")
            return _form("Others are logging in right now. Try again.", status=503)
        try:
            guesser = whose(self._proxies.client()) if browser is None else f"browser {browser}"
            return self._check_password(name, request.form.get("password", ""), guesser)
        finally:
            checks.release()

    def logout(self) -> AnyResponse:
        """End the session for good."""
        self._sessions.end(g.session.id)
        _log.info("logged_out")
        response = redirect(url_for("login"))
        response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="Strict")
        return response

    def _check_password(self, name: str, typed: str, guesser: str) -> AnyResponse:
        if not self._limiter.allow(guesser):
            _log.warning("login_throttled")
            return _form("Too many attempts. Try again in 15 minutes.", status=429)
        with self._hashing:
            right = next((one for one in self._passwords.values() if one.matches(typed)), None)
        if right is None:
            _log.warning("login_failed")
            return _form("Wrong password.", status=401)
        self._limiter.count_right(guesser)
        self._sessions.end(request.cookies.get(SESSION_COOKIE, ""))
        session = self._sessions.begin(name=name, credential=right.fingerprint)
        user = User(name, self._roles[right.fingerprint])
        _log.info("logged_in", role=user.role)
        self._on_login(user, self._proxies.client())
        g.session, g.user, g.form_token = session, user, session.form_token
        response = _go_on(user)
        self._browsers.remember(response)
        _set_cookie(response, SESSION_COOKIE, session.id)
        response.delete_cookie(LOGIN_COOKIE, secure=True, httponly=True, samesite="Strict")
        return response

    def _require_session(self) -> AnyResponse | None:
        if request.endpoint in PUBLIC_ENDPOINTS:
            return None
        session = self._sessions.find(request.cookies.get(SESSION_COOKIE, ""))
        role = self._roles.get(session.credential) if session else None
        if session is None or role is None:  # no role: the password has changed since
            return _ask_to_log_in()
        g.session = session
        authorize(User(session.name, role), session.form_token)
        return None


def _ask_to_log_in() -> AnyResponse:
    """Answer a request without a session: a page with a redirect to the login, a form with a login that keeps what was typed."""
    if request.method not in SAFE_METHODS:
        return _form(form=posted_form(), status=401)
    if wants_json() or request.endpoint == "live" or request.headers.get("Sec-Fetch-Dest") == "empty":
        return show_message("Not logged in", "Log in at /console/login first.", status=401)
    page = asked_page()
    is_from_elsewhere = request.headers.get("Sec-Fetch-Site") == "cross-site"
    if page and is_from_elsewhere and SESSION_COOKIE not in request.cookies:
        # After a link from another site browsers hold back a SameSite=Strict cookie; from a page of ours they send it.
        return make_response("", {"Refresh": f"0; url={page}"})
    return redirect(url_for("login", next=page if page != url_for("overview") else None))


def _go_on(user: User) -> AnyResponse:
    """Answer a login: with the form that was not sent, or with a redirect to the page that was asked for."""
    form = kept_form()
    if form is not None and user.may_change:
        return make_response(show_unsent(form, "You are logged in again. Check what you typed, and send it."))
    page = form.back if form is not None else own_address(request.form.get("next", ""), "GET")
    return redirect(page or url_for("overview"), code=303)


def _form(problem: str = "", *, form: UnsentForm | None = None, status: int = 200) -> Response:
    token = request.cookies.get(LOGIN_COOKIE) or secrets.token_urlsafe(32)
    page = render_template(
        "login.html",
        problem=problem,
        token=token,
        name=request.form.get("name", "") if request.endpoint == "login" else "",
        next=own_address(request.values.get("next", ""), "GET") if request.endpoint == "login" else None,
        form=form or (kept_form() if request.endpoint == "login" else None),
    )
    response = make_response(page, status)
    _set_cookie(response, LOGIN_COOKIE, token)
    return response


def _set_cookie(response: AnyResponse, name: str, value: str) -> None:
    response.set_cookie(name, value, secure=True, httponly=True, samesite="Strict", path="/")


def _redis_unavailable(_error: RedisError) -> tuple[str, int]:
    """Answer 503: without Redis no session can be checked."""
    page = render_template(
        "message.html", title="Redis is unreachable", text="Nobody can log in until it answers."
    )
    return page, 503
