"""What is asked of Redis, written once for threads and for event loops.

Whatever needs several replies, or may have to ask again, is a generator that yields what it asks and is sent what
came back; server.py goes through it from a thread, line.py from an event loop (docs/decisions/0028). No I/O here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from redis.exceptions import NoScriptError, ReadOnlyError, RedisError, ResponseError

from mailboxes.errors import MailboxUnavailable

T = TypeVar("T")

Argument = str | bytes | int
Command = tuple[Argument, ...]
Reply = Any  # what Redis answers: int, bytes, None or a list of these


@dataclass(frozen=True, slots=True)
class Ask:
    """One command; its reply comes as the client reads such replies, and a failure as MailboxUnavailable."""

    command: Command


@dataclass(frozen=True, slots=True)
class Send:
    """Commands of one round trip, and how long the server may keep the last one waiting by intent.

    Their replies come as they are, with NoScriptError as one of them, and any other failure as MailboxUnavailable.
    """

    commands: Sequence[Command]
    wait_ms: int = 0


Request = Ask | Send
Asking = Generator[Request, Reply, T]


class Peer:
    """The other end of our connections.

    Its `era` changes whenever it may have become another server (a new connection, an error), so that what was
    learnt of it, its clock and its durability, is learnt again.
    """

    def __init__(self) -> None:
        self.era = 0

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise MailboxUnavailable for whatever goes wrong."""
        try:
            yield
        except (RedisError, OSError) as error:
            if not isinstance(error, ResponseError) or isinstance(error, ReadOnlyError):
                self.era += 1
            raise MailboxUnavailable(f"Redis: {type(error).__name__}: {error}") from error


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
    """Return the replies to a Send, or raise the first failure among them."""
    for reply in replies:
        if isinstance(reply, Exception) and not isinstance(reply, NoScriptError):
            raise reply
    return replies


def run(calls: Sequence[Call]) -> Asking[list[Reply]]:
    """Run scripts in one round trip; a server that has forgotten one (restart, flush) is told again."""
    return (yield from _run(calls, (), 0))


def run_and_wait(calls: Sequence[Call], *, wait_ms: int) -> Asking[tuple[list[Reply], int]]:
    """Run scripts, then wait until all they wrote is in the append-only file; 0 if it is not in time."""
    *replies, waited = yield from _run(calls, [("WAITAOF", 1, 0, wait_ms)], wait_ms)
    return replies, int(waited[0])


def _run(calls: Sequence[Call], after: Sequence[Command], wait_ms: int) -> Asking[list[Reply]]:
    replies: list[Reply] = yield Send([*map(_by_digest, calls), *after], wait_ms)
    unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if unknown:
        again = yield Send([*(_by_text(calls[i]) for i in unknown), *after], wait_ms)
        for i, reply in zip(unknown, again, strict=False):
            replies[i] = reply
        replies[len(calls) :] = again[len(unknown) :]
    return replies


def _by_digest(call: Call) -> Command:
    return ("EVALSHA", load_script(call.script).sha, 1, call.tag, *call.arguments)


def _by_text(call: Call) -> Command:
    return ("EVAL", load_script(call.script).text, 1, call.tag, *call.arguments)
