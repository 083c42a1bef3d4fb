"""What a 2xx answer promises, by name, and how a server can give it."""

from __future__ import annotations

from enum import StrEnum


class AckDurability(StrEnum):
    """How safe an event is once we answered 2xx."""

    MEMORY = "memory"  # the script replied; what the server loses with its process or power, is lost
    REDIS = "redis"  # the script replied; an AOF of `everysec` may lose its last second on power loss
    REDIS_FSYNC = "redis_fsync"  # it is on the server's disk
    REDIS_REPLICATED = "redis_replicated"  # ACK_REPLICAS replicas have it, in memory at least


class DurabilityMechanism(StrEnum):
    """What gives the level on this server."""

    REPLY = "reply"  # the script's reply
    FSYNC_ALWAYS = "fsync_always"  # appendfsync always: the reply comes after the fsync
    WAITAOF = "waitaof"  # WAITAOF after each put, its answer checked, where it can be trusted; up to 1 s with everysec
    WAIT = "wait"  # WAIT after each put, its answer checked


MEMORY_ONLY = (
    "the server at REDIS_URL keeps waiting events in memory only: when it ends they are gone, though Stripe was told "
    "2xx. Set `appendonly yes` in its configuration"
)


def warning_of(level: AckDurability) -> str | None:
    """Return the warning to show wherever this level is named; None where there is none."""
    return MEMORY_ONLY if level is AckDurability.MEMORY else None
