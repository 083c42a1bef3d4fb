"""Who is logged in and who guesses too often, kept in Redis, so that every process agrees.

A session is known by the hash of its id: whoever reads Redis cannot take one over. Knows nothing of HTTP.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address, ip_network
from typing import TYPE_CHECKING, Any, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from cogento.queue.redis_address import RedisAddress, RedisKind

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWER_SECONDS = 1.0
IDLE_SECONDS = 30 * 60
MAX_SESSION_SECONDS = 8 * 60 * 60
WINDOW_SECONDS = 15 * 60
MAX_LOGIN_ATTEMPTS = 5
NETWORK_BITS = 64
"""The IPv6 prefix that a provider's customer has at least (RFC 6177): all of it counts as one address."""

SESSION_KEY = "cogento:console:session:{}"
TRIES_KEY = "cogento:console:tries:{}"


def connect_sessions(url: str) -> Redis:
    """Make a client, of one server or by Sentinel, that tries once and does not wait long: a person is waiting."""
    patience = {
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": ANSWER_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    address = RedisAddress.read(url)
    if address.kind is RedisKind.SERVER:
        return Redis.from_url(url, **patience)
    login: dict[str, Any] = dict(
        parse_url(address.server_url(*address.hosts[0]))  # type: ignore[no-untyped-call]
    )
    del login["host"], login["port"]
    sentinels: Any = Sentinel(address.hosts, sentinel_kwargs=patience)  # type: ignore[no-untyped-call]
    return cast("Redis", sentinels.master_for(address.master, **patience, **login))


@dataclass(frozen=True, slots=True)
class Session:
    """One login: its id as in the cookie, the token of its forms, and the user.

    `credential` names the password that it began with.
    """

    id: str
    form_token: str
    name: str
    credential: str


class Sessions:
    """Sessions end after half an hour without a request, and after eight hours anyway."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock

    def begin(self, *, name: str, credential: str) -> Session:
        """Begin a session with a new id."""
        session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32), name, credential)
        key = _key_of(session.id)
        with self._redis.pipeline() as together:
            together.hset(
                key,
                mapping={
                    "form_token": session.form_token,
                    "began": int(self._clock()),
                    "name": name,
                    "credential": credential,
                },
            )
            together.expire(key, IDLE_SECONDS)
            together.execute()
        return session

    def find(self, session_id: str) -> Session | None:
        """Return the session of that id and prolong it; None when it has ended."""
        key = _key_of(session_id)
        found = cast(
            "list[bytes | None]", self._redis.hmget(key, ["form_token", "began", "name", "credential"])
        )
        if None in found:  # no session, or one from a release in which sessions had no names
            return None
        form_token, began, name, credential = cast("list[bytes]", found)
        left = int(began) + MAX_SESSION_SECONDS - int(self._clock())
        if left <= 0:
            self.end(session_id)
            return None
        self._redis.expire(key, min(IDLE_SECONDS, left))
        return Session(session_id, form_token.decode(), name.decode(), credential.decode())

    def end(self, session_id: str) -> None:
        """End a session at once; its cookie is worth nothing from now on."""
        self._redis.delete(_key_of(session_id))


class LoginLimiter:
    """Counts wrong passwords in windows of fifteen minutes, separately for each guesser.

    A guesser is a browser that logged in before, else an address (see `whose`).
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def allow(self, guesser: str) -> bool:
        """Count an attempt and say whether it may be made; simultaneous attempts count one by one."""
        with self._redis.pipeline() as together:
            together.set(_tries_of(guesser), 0, ex=WINDOW_SECONDS, nx=True)
            together.incr(_tries_of(guesser))
            _, tries = together.execute()
        return bool(tries <= MAX_LOGIN_ATTEMPTS)

    def count_right(self, guesser: str) -> None:
        """Take back the count of the last attempt, because it was right.

        The wrong ones before stay counted: otherwise a viewer could guess the operators' password between logins.
        """
        if self._redis.decr(_tries_of(guesser)) < 0:  # the window has ended meanwhile
            self._redis.delete(_tries_of(guesser))


def whose(address: str) -> str:
    """Return what belongs to the owner of an address: the address itself, or the network of an IPv6 one."""
    try:
        parsed = IPv6Address(address)
    except AddressValueError:
        return address
    return str(parsed.ipv4_mapped or ip_network((int(parsed), NETWORK_BITS), strict=False))


def _key_of(session_id: str) -> str:
    return SESSION_KEY.format(hashlib.sha256(session_id.encode()).hexdigest())


def _tries_of(guesser: str) -> str:
    return TRIES_KEY.format(hashlib.sha256(guesser.encode()).hexdigest()[:32])
