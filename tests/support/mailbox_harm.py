"""Damage to mailboxes, as Redis and people cause it: keys that vanish or turn to junk, commands that fail half way."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cogento.queue import script_runs
from cogento.queue.script_runs import Script, load_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

    from tests.support.looped import LoopedInspection

TAG = "{cogento:0}"
SURE_OF_A_GAUGE = 3
SINGLE_KEYS = (
    *("ready", "leases", "owners", "sleeping", "paused", "parked", "since"),
    *("crashes", "tries", "bell", "stats", "workers", "delays", "pace"),
)

_FAILING = """
local real, written = redis, 0
local WRITES = {SET=1, SETNX=1, MSETNX=1, DEL=1, ZADD=1, ZREM=1, HSET=1, HSETNX=1, HDEL=1, HINCRBY=1, PEXPIRE=1}
local function counted(how)
  return function(command, ...)
    if WRITES[command] then
      if written == %d then error('half way') end
      written = written + 1
    end
    return how(command, ...)
  end
end
local redis = setmetatable({call = counted(real.call), pcall = counted(real.pcall)}, {__index = real})
"""


def delete(client: redis.Redis, key: str) -> None:
    """Lose a key."""
    client.delete(key)


def overwrite(client: redis.Redis, key: str) -> None:
    """Turn a key into a list, which none of ours is. In one step, or a user of the key would make it again in between."""
    with client.pipeline(transaction=True) as pipeline:
        pipeline.delete(key)
        pipeline.rpush(key, "junk")
        pipeline.execute()


HARMS: tuple[Callable[[redis.Redis, str], None], ...] = (delete, overwrite)


@contextmanager
def failing_half_way(script: str, *, writes: int) -> Iterator[None]:
    """Make a command fail after `writes` writes, which stay: Redis does not roll scripts back."""
    before = script_runs.load_script

    def load(name: str) -> Script:
        whole = load_script(name)
        if name != script:
            return whole
        text = _FAILING % writes + whole.text
        return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())

    script_runs.load_script = load  # type: ignore[assignment]
    try:
        yield
    finally:
        script_runs.load_script = before


def inspect(inspection: LoopedInspection, client: redis.Redis) -> None:
    """Inspect as often as it takes to be sure of a gauge, regardless of recent inspections."""
    for _ in range(SURE_OF_A_GAUGE):
        client.delete(f"{TAG}:inspected")
        assert inspection.run() is not None
