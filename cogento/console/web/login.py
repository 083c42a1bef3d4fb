"""Logging in to the console: one password, a session in a cookie, and a token in every form.

Who is logged in and who guesses too often is kept in Redis, so that every process agrees; with Redis away nobody
gets in. A session is known by the hash of its id: whoever reads Redis cannot take one over. Knows nothing of the
other pages.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address, ip_network
from typing import TYPE_CHECKING, cast

import structlog
from flask import g, make_response, redirect, render_template, request, url_for
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from cogento.console.web.security import is_same_token, require_form_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Response
    from werkzeug.wrappers import Response as AnyResponse

    from cogento.console.passwords import PasswordHash

# The prefix makes browsers refuse such a cookie from other hosts, other paths and plain HTTP.
SESSION_COOKIE = "__Host-cogento-session"
LOGIN_COOKIE = "__Host-cogento-login"
MAX_PASSWORD_CHECKS = 3
PUBLIC_ENDPOINTS = frozenset({"health", "login", "metrics", "static"})

ANSWER_SECONDS = 1.0
IDLE_SECONDS = 30 * 60
MAX_SESSION_SECONDS = 8 * 60 * 60
WINDOW_SECONDS = 15 * 60
MAX_LOGIN_ATTEMPTS = 5
NETWORK_BITS = 64
"""What one customer of a provider has at least of IPv6 (RFC 6177): all of it counts as one address."""

SESSION_KEY = "cogento:console:session:{}"
TRIES_KEY = "cogento:console:tries:{}"

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


def connect_sessions(url: str) -> Redis:
    """Make a client that tries once and does not wait long: a person is waiting."""
    return Redis.from_url(
        url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS, retry=Retry(NoBackoff(), 0)
    )


@dataclass(frozen=True, slots=True)
class Session:
    """One login: its id as the cookie holds it, and the token that its forms carry."""

    id: str
    form_token: str


class Sessions:
    """Sessions end after half an hour without a request, and after eight hours anyway."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock

    def begin(self) -> Session:
        """Begin a session with an id that nobody had before."""
        session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        key = _key_of(session.id)
        with self._redis.pipeline() as together:
            together.hset(key, mapping={"form_token": session.form_token, "began": int(self._clock())})
            together.expire(key, IDLE_SECONDS)
            together.execute()
        return session

    def find(self, session_id: str) -> Session | None:
        """Return the session of that id and keep it alive, unless it has ended."""
        key = _key_of(session_id)
        form_token, began = cast("list[bytes | None]", self._redis.hmget(key, ["form_token", "began"]))
        if form_token is None or began is None:
            return None
        left = int(began) + MAX_SESSION_SECONDS - int(self._clock())
        if left <= 0:
            self.end(session_id)
            return None
        self._redis.expire(key, min(IDLE_SECONDS, left))
        return Session(session_id, form_token.decode())

    def end(self, session_id: str) -> None:
        """End a session at once; its cookie is worth nothing from now on."""
        self._redis.delete(_key_of(session_id))


class LoginLimiter:
    """Counts tries at the password in windows of fifteen minutes, by address: nobody's tries are another's."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def allow(self, address: str) -> bool:
        """Count a try and say whether it may be made; tries made at once count one by one."""
        with self._redis.pipeline() as together:
            together.set(_tries_of(address), 0, ex=WINDOW_SECONDS, nx=True)
            together.incr(_tries_of(address))
            _, tries = together.execute()
        return bool(tries <= MAX_LOGIN_ATTEMPTS)

    def reset(self, address: str) -> None:
        """Forget the tries of an address that knew the password in the end."""
        self._redis.delete(_tries_of(address))


def _key_of(session_id: str) -> str:
    return SESSION_KEY.format(hashlib.sha256(session_id.encode()).hexdigest())


def _tries_of(address: str) -> str:
    """Return the key for what an address is owned with: itself, or the network of an IPv6 one."""
    try:
        parsed = IPv6Address(address)
        owned = str(parsed.ipv4_mapped or ip_network((int(parsed), NETWORK_BITS), strict=False))
    except AddressValueError:
        owned = address
    return TRIES_KEY.format(hashlib.sha256(owned.encode()).hexdigest()[:32])
