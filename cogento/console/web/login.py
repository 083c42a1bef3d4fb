"""Logging in to the console: a name and a password, a session in a cookie, and a token in every form.

Each role has one password, shared by its people; the name is what a person says of themselves, and is kept with
whatever they do. With Redis away nobody gets in. Knows nothing of the other pages.
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

from cogento.console.web.security import SAFE_METHODS, is_same_token, require_form_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask, Response
    from werkzeug.wrappers import Response as AnyResponse

    from cogento.console.passwords import PasswordHash
    from cogento.console.web.sessions import LoginLimiter, Sessions

# The prefix makes browsers refuse such a cookie from other hosts, other paths and plain HTTP.
SESSION_COOKIE = "__Host-cogento-session"
LOGIN_COOKIE = "__Host-cogento-login"
MAX_NAME_LENGTH = 64
MAX_PASSWORD_CHECKS = 3
PUBLIC_ENDPOINTS = frozenset({"health", "login", "metrics", "static"})

_log = structlog.get_logger()


class Role(StrEnum):
    """What somebody may do: an operator everything, a viewer look."""

    OPERATOR = "operator"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class User:
    """Whose request this is."""

    name: str
    role: Role

    @property
    def may_change(self) -> bool:
        """Whether this user may do more than look."""
        return self.role is Role.OPERATOR

    @property
    def who(self) -> str:
        """What is kept with each action, for example `ops-1 (console)`."""
        return f"{self.name} (console)"


def current_user() -> User:
    """Return whose request this is; only public pages are shown to nobody."""
    return cast("User", g.user)


def read_name(text: str) -> str | None:
    """Tidy a name that somebody gave; None when it is none: empty, too long, or with what cannot be printed."""
    name = " ".join(text.split())
    return name if 0 < len(name) <= MAX_NAME_LENGTH and name.isprintable() else None


def admit(user: User, form_token: str) -> None:
    """Let a user's request through to its page: a change only from our own form, and from who may change."""
    g.user = user
    require_form_token(form_token)
    if request.method not in SAFE_METHODS and request.endpoint != "logout" and not user.may_change:
        abort(403, "You are logged in as a viewer. Only operators can change something.")


class LoginViews:
    """Logs in who knows a role's password; everything but PUBLIC_ENDPOINTS needs a session."""

    def __init__(
        self, passwords: Mapping[Role, PasswordHash], sessions: Sessions, limiter: LoginLimiter
    ) -> None:
        self._passwords = passwords
        self._roles = {password.fingerprint: role for role, password in passwords.items()}
        self._sessions = sessions
        self._limiter = limiter
        self._hashing = threading.Lock()  # one at a time: each takes every core, and 64 MB or more
        self._checks = threading.BoundedSemaphore(MAX_PASSWORD_CHECKS)  # the other threads are for the pages

    def install(self, app: Flask) -> None:
        """Require a session for the application's pages, and add those to log in and out."""
        app.before_request(self._require_session)
        app.add_url_rule("/console/login", "login", self.login, methods=["GET", "POST"])
        app.add_url_rule("/console/logout", "logout", self.logout, methods=["POST"])
        app.register_error_handler(RedisError, _redis_unavailable)

    def login(self) -> AnyResponse:
        """Show the form, or look at what was typed into it."""
        if request.method == "GET":
            return _form()
        if not is_same_token(request.form.get("token"), request.cookies.get(LOGIN_COOKIE)):
            return _form("This form has expired. Try again.", status=403)
        name = read_name(request.form.get("name", ""))
        if name is None:
            return _form(f"Enter your name, in {MAX_NAME_LENGTH} characters or fewer.", status=400)
        if not self._checks.acquire(blocking=False):  # before it counts as a try
            _log.warning("login_busy")
            return _form("Others are logging in right now. Try again.", status=503)
        try:
            return self._check_password(name, request.form.get("password", ""))
        finally:
            self._checks.release()

    def logout(self) -> AnyResponse:
        """End the session for good."""
        self._sessions.end(g.session.id)
        _log.info("logged_out")
        response = redirect(url_for("login"))
        response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="Strict")
        return response

    def _check_password(self, name: str, typed: str) -> AnyResponse:
        if not self._limiter.allow(_address()):
            _log.warning("login_throttled")
            return _form("Too many attempts. Try again in 15 minutes.", status=429)
        with self._hashing:
            right = next((one for one in self._passwords.values() if one.matches(typed)), None)
        if right is None:
            _log.warning("login_failed")
            return _form("Wrong password.", status=401)
        self._limiter.reset(_address())
        self._sessions.end(request.cookies.get(SESSION_COOKIE, ""))
        session = self._sessions.begin(name=name, credential=right.fingerprint)
        _log.info("logged_in", role=self._roles[right.fingerprint])
        response = redirect(url_for("overview"), code=303)
        _set_cookie(response, SESSION_COOKIE, session.id)
        response.delete_cookie(LOGIN_COOKIE, secure=True, httponly=True, samesite="Strict")
        return response

    def _require_session(self) -> AnyResponse | None:
        if request.endpoint in PUBLIC_ENDPOINTS:
            return None
        session = self._sessions.find(request.cookies.get(SESSION_COOKIE, ""))
        role = (
            self._roles.get(session.credential) if session else None
        )  # none: the password has changed since
        if session is None or role is None:
            return make_response("", 401) if request.endpoint == "live" else redirect(url_for("login"))
        g.session = session
        admit(User(session.name, role), session.form_token)
        return None


def _form(problem: str = "", *, status: int = 200) -> Response:
    token = request.cookies.get(LOGIN_COOKIE) or secrets.token_urlsafe(32)
    name = request.form.get("name", "")
    response = make_response(render_template("login.html", problem=problem, token=token, name=name), status)
    _set_cookie(response, LOGIN_COOKIE, token)
    return response


def _set_cookie(response: AnyResponse, name: str, value: str) -> None:
    response.set_cookie(name, value, secure=True, httponly=True, samesite="Strict", path="/")


def _address() -> str:
    """The peer's address; headers that a client can write are not believed."""
    return request.remote_addr or ""


def _redis_unavailable(_error: RedisError) -> tuple[str, int]:
    """Without Redis no session can be checked."""
    page = render_template(
        "message.html", title="Redis is unreachable", text="Nobody can log in until it answers."
    )
    return page, 503
