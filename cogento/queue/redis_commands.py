"""What Redis is asked: commands, and the scripts in lua/ (script_runs.py); and what its errors mean. No I/O here."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    MovedError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from cogento.queue.errors import MailboxDenied, MailboxUnavailable, ShardFailed, ShardMoved
from cogento.tls import is_untrusted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NOT_PERMITTED = (
    "Redis does not let the user in REDIS_URL run a command, or use a key, that we need (NOPERM). Grant it what "
    "docs/shared-redis.md says, by ACL SETUSER."
)

MOVED_ELSEWHERE = (
    "Redis: another server of the same cluster has this shard. REDIS_URL names one server: for a cluster write "
    "redis+cluster://host:port,host:port."
)

UNTRUSTED = (
    "The certificate of the server at REDIS_URL is not one that this machine trusts. Name who signed it, by ssl_ca_certs in "
    "the URL, or set REDIS_TLS_VERIFY=none where it signs its own, as Heroku's does."
)

Argument = str | bytes | int
CommandWords = tuple[Argument, ...]
Reply = Any  # what Redis answers: int, bytes, None or a list of these


class Call(msgspec.Struct, frozen=True):
    """One command on one shard; its first argument is the time, in ms."""

    script: str
    tag: str
    arguments: Sequence[Argument]


@contextmanager
def translated(on_change: Callable[[], object]) -> Iterator[None]:
    """Raise MailboxUnavailable for any failure; `on_change` is called where another server may answer from now on."""
    try:
        yield
    except AskError as error:
        raise shard_moved(error) from error
    except (RedisError, OSError) as error:
        if not isinstance(error, ResponseError) or isinstance(error, ReadOnlyError):
            on_change()
        advice = _denied(error)
        if advice:
            raise MailboxDenied(advice) from error
        raise MailboxUnavailable(_told(error)) from error


def shard_moved(error: AskError) -> ShardMoved:
    """Return the error for a shard that another server has (MOVED), or is getting (ASK)."""
    return ShardMoved(MOVED_ELSEWHERE, is_under_way=not isinstance(error, MovedError), redirection=error)


def shard_failed(error: ResponseError) -> ShardFailed:
    """Return the error for a script that failed on one of several shards."""
    failure = ShardFailed(_told(error))
    failure.__cause__ = error
    return failure


def _told(error: Exception) -> str:
    return f"Redis: {type(error).__name__}: {error}"


def _denied(error: Exception) -> str | None:
    """Return what to do where Redis will refuse again; None for a passing error."""
    if isinstance(error, NoPermissionError):
        return NOT_PERMITTED
    if isinstance(error, AuthenticationError | AuthenticationWrongNumberOfArgsError | AuthorizationError):
        return "Redis refuses the user or password in REDIS_URL, or asks for one: put the right ones there."
    if isinstance(error, ResponseError) and str(error) == "DB index is out of range":
        return "Redis has no database of the number in REDIS_URL: use a lower one, /0 for example."
    return UNTRUSTED if is_untrusted(error) else None
