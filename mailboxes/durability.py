"""What a 2xx answer promises, by name, and how a server can give it."""

from __future__ import annotations

from enum import StrEnum


class AckDurability(StrEnum):
    """How sure we are of an event once we answered 2xx."""

    REDIS = "redis"  # the script replied; an AOF of `everysec` may lose its last second on power loss
    REDIS_FSYNC = "redis_fsync"  # it is on the server's disk


class AckMeans(StrEnum):
    """What gives the level on this server."""

    REPLY = "reply"  # the script's reply
    FSYNC_ALWAYS = "fsync_always"  # appendfsync always: the reply comes after the fsync
    WAITAOF = (
        "waitaof"  # WAITAOF after each put, its answer checked, where it is true; up to 1 s with everysec
    )
