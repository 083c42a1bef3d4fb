"""Logging in to the console: one password, a session in a cookie, and a token in every form.

Knows the pages to log in and out, and what may be seen without. Knows nothing of the other pages.
"""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING

import structlog
from flask import g, make_response, redirect, render_template, request, url_for
from redis.exceptions import RedisError

from cogento.console.web.security import is_same_token, require_form_token

if TYPE_CHECKING:
    from flask import Flask, Response
    from werkzeug.wrappers import Response as AnyResponse

    from cogento.console.passwords import PasswordHash
    from cogento.console.web.sessions import LoginLimiter, Sessions

# The prefix makes browsers refuse such a cookie from other hosts, other paths and plain HTTP.
SESSION_COOKIE = "__Host-cogento-session"
LOGIN_COOKIE = "__Host-cogento-login"
MAX_PASSWORD_CHECKS = 3
PUBLIC_ENDPOINTS = frozenset({"health", "login", "metrics", "static"})

_log = structlog.get_logger()


class LoginViews:
    """Logs in who knows the password; everything but PUBLIC_ENDPOINTS needs a session."""

    def __init__(self, password: PasswordHash, sessions: Sessions, limiter: LoginLimiter) -> None:
        self._password = password
        self._sessions = sessions
        self._limiter = limiter
        self._hashing = threading.Lock()  # a look at the password takes 128 MB and a third of a second
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
            return _form("The form had gone stale. Try again.", status=403)
        if not self._checks.acquire(blocking=False):  # before it counts as a try
            _log.warning("login_busy")
            return _form("Too many log in at this moment. Try again.", status=503)
        try:
            return self._check_password(request.form.get("password", ""))
        finally:
            self._checks.release()

    def logout(self) -> AnyResponse:
        """End the session for good."""
        self._sessions.end(g.session.id)
        _log.info("logged_out")
        response = redirect(url_for("login"))
        response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="Strict")
        return response

    def _check_password(self, password: str) -> AnyResponse:
        if not self._limiter.allow(_address()):
            _log.warning("login_throttled")
            return _form("Too many tries. Wait a quarter of an hour.", status=429)
        with self._hashing:
            is_right = self._password.matches(password)
        if not is_right:
            _log.warning("login_failed")
            return _form("That is not the password.", status=401)
        return self._start_session()

    def _start_session(self) -> AnyResponse:
        self._limiter.reset(_address())
        session = self._sessions.begin()
        _log.info("logged_in")
        response = redirect(url_for("overview"), code=303)
        _set_cookie(response, SESSION_COOKIE, session.id)
        response.delete_cookie(LOGIN_COOKIE, secure=True, httponly=True, samesite="Strict")
        return response

    def _require_session(self) -> AnyResponse | None:
        if request.endpoint in PUBLIC_ENDPOINTS:
            return None
        session = self._sessions.find(request.cookies.get(SESSION_COOKIE, ""))
        if session is None:
            return make_response("", 401) if request.endpoint == "live" else redirect(url_for("login"))
        g.session = session
        require_form_token(session.form_token)
        return None


def _form(problem: str = "", *, status: int = 200) -> Response:
    token = request.cookies.get(LOGIN_COOKIE) or secrets.token_urlsafe(32)
    response = make_response(render_template("login.html", problem=problem, token=token), status)
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
        "message.html", title="Redis does not answer", text="Nobody can log in until it does."
    )
    return page, 503
