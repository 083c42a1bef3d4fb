"""fakeredis, which runs the real Lua, and says of itself what a server says that syncs every write."""

from __future__ import annotations

from typing import Any

import fakeredis

INFO = {
    "redis_version": "7.2.0",
    "role": "master",
    "maxmemory_policy": "noeviction",
    "maxmemory": 0,
    "used_memory": 1,
    "aof_enabled": 1,
}
CONFIG = {"appendfsync": "always", "no-appendfsync-on-rewrite": "no"}


class FakeRedis(fakeredis.FakeRedis):
    """Answers INFO and CONFIG GET, which fakeredis does not know."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        match args[0]:
            case "INFO":
                return INFO
            case "CONFIG GET":
                return CONFIG
            case _:
                return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
