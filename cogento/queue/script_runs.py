"""Scripts as Redis is asked to run them: one for a call, or for several calls of the same script, each on a shard of its own.

A run by itself costs server and receiver more than its work on a shard. So where one server keeps
mailboxes of several accounts, or several shards, a script that can do so (lua/shard.lua, `of_each_shard`) is run once for all of
them. On a server of a cluster each shard has its own run, for a script may touch only one slot there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from cogento.queue.redis_commands import shard_failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.queue.redis_commands import Argument, Call, CommandWords, Reply

OF_EACH_SHARD = frozenset({"put"})
"""Scripts that take several shards."""
MOST_SHARDS = 500
"""How many calls one run takes: a script passes a few keys of each to one command, and Lua can pass some thousands of arguments."""


@dataclass(frozen=True, slots=True)
class Script:
    """One command's Lua text, and the digest by which the server knows it."""

    text: str
    sha: str


@cache
def load_script(name: str) -> Script:
    """Read lua/<name>.lua, preceded by lua/shard.lua."""
    folder = resources.files(__package__).joinpath("lua")
    text = "\n".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in ("shard", name))
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """One run of a script."""

    script: str
    tags: Sequence[str]
    arguments: Sequence[Argument]

    def by_digest(self) -> CommandWords:
        """Return the command for a server that knows the script."""
        return ("EVALSHA", load_script(self.script).sha, len(self.tags), *self.tags, *self.arguments)

    def by_text(self) -> CommandWords:
        """Return the command for a server that has forgotten it."""
        return ("EVAL", load_script(self.script).text, len(self.tags), *self.tags, *self.arguments)

    def parted(self, reply: Reply) -> Sequence[Reply]:
        """Return the reply to each call, a ShardFailed where it failed; a reply that is not a list (ShardMoved) is that of all calls.

        Raises an error for which redis-py has a class of its own: it concerns the server, or our rights there.
        """
        if self.script not in OF_EACH_SHARD or not isinstance(reply, list):
            return [reply] * len(self.tags)
        for error in reply:
            if isinstance(error, ResponseError) and type(error) is not ResponseError:
                raise error
        return [shard_failed(one) if isinstance(one, ResponseError) else one for one in reply]


def script_runs(calls: Sequence[Call], *, may_join: bool) -> list[ScriptRun]:
    """Return runs for these calls, in their order; with `may_join` as few as possible."""
    runs: list[ScriptRun] = []
    joined: list[Call] = []
    for call in calls:
        if joined and (call.script != joined[0].script or not may_join or len(joined) == MOST_SHARDS):
            runs.append(_joint(joined))
            joined = []
        if call.script in OF_EACH_SHARD:
            joined.append(call)
        else:
            runs.append(ScriptRun(call.script, (call.tag,), call.arguments))
    if joined:
        runs.append(_joint(joined))
    return runs


def _joint(calls: Sequence[Call]) -> ScriptRun:
    """Return one run for several calls of a script, at the time of the first."""
    arguments: list[Argument] = [calls[0].arguments[0]]
    for call in calls:
        arguments.append(len(call.arguments) - 1)
        arguments += call.arguments[1:]
    return ScriptRun(calls[0].script, [call.tag for call in calls], arguments)
