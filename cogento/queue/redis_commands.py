"""Redis commands and scripts, written once for threads and for event loops.

Whatever needs several replies, or may have to ask again, is a generator that yields requests and is sent their
replies. redis_client.py runs it in a thread, async_redis_client.py in an event loop (docs/decisions/0028). No I/O here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import structlog
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from cogento.queue.errors import JunkFound, MailboxDenied, MailboxUnavailable

log = structlog.get_logger()

T = TypeVar("T")

Argument = str | bytes | int
CommandWords = tuple[Argument, ...]
Reply = Any  # what Redis answers: int, bytes, None or a list of these


@dataclass(frozen=True, slots=True)
class Command:
    """One command; its reply comes as the client reads such replies, and a failure as MailboxUnavailable."""

    words: CommandWords


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands of one round trip, and how long the server may keep the last one waiting by intent.

    Their replies come as they are, with NoScriptError as one of them, and any other failure as MailboxUnavailable.
    """

    commands: Sequence[CommandWords]
    wait_ms: int = 0


Request = Command | Pipeline
RedisCommands = Generator[Request, Reply, T]


class RedisConnection:
    """What both clients share: the errors they raise, and whether the server may have changed.

    `connection_epoch` changes whenever another server may be at the other end (a new connection, an error). Its clock
    and its durability are then asked again.
    """

    def __init__(self) -> None:
        self.connection_epoch = 0

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise MailboxUnavailable for whatever goes wrong."""
        try:
            yield
        except (RedisError, OSError) as error:
            if not isinstance(error, ResponseError) or isinstance(error, ReadOnlyError):
                self.connection_epoch += 1
            advice = _denied(error)
            if advice:
                raise MailboxDenied(advice) from error
            raise MailboxUnavailable(f"Redis: {type(error).__name__}: {error}") from error


def _denied(error: Exception) -> str | None:
    """What to do where Redis will say the same again; None for what passes."""
    if isinstance(error, NoPermissionError):
        return "Redis does not let the user in REDIS_URL run a command that we need (NOPERM): see its ACL."
    if isinstance(error, AuthenticationError | AuthenticationWrongNumberOfArgsError | AuthorizationError):
        return "Redis refuses the user or password in REDIS_URL, or asks for one: put the right ones there."
    if isinstance(error, ResponseError) and str(error) == "DB index is out of range":
        return "Redis has no database of the number in REDIS_URL: use a lower one, /0 for example."
    return None


@dataclass(frozen=True, slots=True)
class Script:
    """One command's Lua text, and the digest the server knows it by."""

    text: str
    sha: str


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a script on one shard."""

    script: str
    tag: str
    arguments: Sequence[Argument]


@cache
def load_script(name: str) -> Script:
    """Read lua/<name>.lua, with the names and moves of lua/shard.lua before it."""
    folder = resources.files(__package__).joinpath("lua")
    text = "\n".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in ("shard", name))
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def checked(replies: list[Reply]) -> list[Reply]:
    """Return the replies to a Pipeline, or raise the first failure among them."""
    for reply in replies:
        if isinstance(reply, Exception) and not isinstance(reply, NoScriptError):
            raise reply
    return replies


def run(calls: Sequence[Call]) -> RedisCommands[list[Reply]]:
    """Run scripts in one round trip; a server that has forgotten one (restart, flush) is told again.

    Raises JunkFound when they met something of another type under one of our names, which is set aside by then.
    """
    return (yield from _run_past_junk(calls, (), 0))


def run_and_wait(calls: Sequence[Call], *, wait_ms: int) -> RedisCommands[tuple[list[Reply], int]]:
    """Run scripts, then wait until all they wrote is in the append-only file; 0 if it is not in time."""
    *replies, waited = yield from _run_past_junk(calls, [("WAITAOF", 1, 0, wait_ms)], wait_ms)
    return replies, int(waited[0])


def set_aside(tag: str, now: Argument, ids: Sequence[Argument] = ()) -> RedisCommands[bool]:
    """Set aside what nobody of us wrote under the shard's names, and those of these ids; False: there was nothing.

    Whoever wrote it may miss it, so it is renamed (keys.py). What it stood in place of, inspection.py brings back.
    """
    (aside,) = yield from _run([Call("set_aside", tag, (now, *ids))], (), 0)
    for name, type_ in zip(aside[::2], aside[1::2], strict=True):
        log.error("junk_set_aside", key=f"{tag}:{name.decode()}", type=type_.decode())
    return bool(aside)


def _run_past_junk(
    calls: Sequence[Call], after: Sequence[CommandWords], wait_ms: int
) -> RedisCommands[list[Reply]]:
    try:
        return (yield from _run(calls, after, wait_ms))
    except MailboxUnavailable as error:
        if "WRONGTYPE" not in str(error):
            raise
        is_found = False
        for call in calls:
            now, *others = call.arguments
            # Ids are texts, and values are bytes.
            is_found |= yield from set_aside(call.tag, now, [one for one in others if isinstance(one, str)])
        if is_found:
            raise JunkFound(str(error)) from error
        raise


def _run(calls: Sequence[Call], after: Sequence[CommandWords], wait_ms: int) -> RedisCommands[list[Reply]]:
    digests = [("EVALSHA", load_script(call.script).sha, 1, call.tag, *call.arguments) for call in calls]
    replies: list[Reply] = yield Pipeline([*digests, *after], wait_ms)
    unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if unknown:
        texts = [
            ("EVAL", load_script(call.script).text, 1, call.tag, *call.arguments)
            for call in map(calls.__getitem__, unknown)
        ]
        again = yield Pipeline([*texts, *after], wait_ms)
        for i, reply in zip(unknown, again, strict=False):
            replies[i] = reply
        replies[len(calls) :] = again[len(unknown) :]
    return replies
