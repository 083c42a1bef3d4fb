"""What a server is and what it guarantees, asked before it is relied on. There is no silent fallback."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from redis.exceptions import ResponseError

from cogento.queue.durability import AckDurability, DurabilityMechanism, warning_of
from cogento.queue.errors import MailboxDenied, MailboxRefused, MailboxUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.queue.redis_connection import RedisConnection

log = structlog.get_logger()

OLDEST_VERSION = (6, 2)
TRUE_WAITAOF_SINCE = (8, 0)
"""In earlier versions WAITAOF may answer up to a second before the file is synced; in Valkey 9.1 it still does.

https://github.com/redis/redis/pull/13793; tests/faults/redis/test_power_loss.py watches it happen.
"""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server said of itself; `appendfsync` is None where CONFIG is forbidden.

    `ack` is the level that is demanded, or else the one that a plain reply of this server means.
    """

    name: str
    version: str
    role: str
    maxmemory_policy: str
    maxmemory_bytes: int
    used_memory_bytes: int
    appendonly: bool
    appendfsync: str | None
    ack: AckDurability
    ack_means: DurabilityMechanism
    replicas: int = 0
    is_in_cluster: bool = False


@dataclass(frozen=True, slots=True)
class Disk:
    """How writes reach the disk, which Redis version's commands it has, and whether WAITAOF can be trusted.

    `replicas` counts those that are connected and past their first copy.
    """

    appendonly: bool
    appendfsync: str | None
    pauses_for_rewrite: bool
    commands_of: tuple[int, ...]
    has_true_waitaof: bool
    replicas: int = 0


async def check_server(
    connection: RedisConnection, demand: AckDurability | None, *, replicas: int = 1
) -> ServerFacts:
    """Ask a server and return the facts, for a level that it must give, or for whichever it gives.

    With `redis_replicated`, `replicas` of them must follow it; raises MailboxUnavailable while fewer do. Raises MailboxRefused
    where the server cannot give the level or does not let us in, and MailboxUnavailable while it does not answer.
    """
    try:
        info: Mapping[str, Any] = await connection.ask("INFO")
    except MailboxDenied as denied:
        raise MailboxRefused(str(denied)) from denied
    if info.get("loading"):  # while it reads its files, it reports that it keeps none
        raise MailboxUnavailable("Redis is still loading its data")
    version = str(info.get("valkey_version") or info["redis_version"])
    policy = str(info.get("maxmemory_policy", "unknown"))
    disk = _disk(info, await _configured(connection))
    require_version(version, disk)
    _require_noeviction(policy)
    given = given_for(demand, disk, replicas=replicas)
    return ServerFacts(
        name=str(info.get("server_name") or "redis"),
        version=version,
        role=str(info["role"]),
        maxmemory_policy=policy,
        maxmemory_bytes=int(info.get("maxmemory", 0)),
        used_memory_bytes=int(info["used_memory"]),
        appendonly=disk.appendonly,
        appendfsync=disk.appendfsync,
        ack=given.level,
        ack_means=given.means,
        replicas=disk.replicas,
        is_in_cluster=bool(info.get("cluster_enabled")),
    )


def log_level(facts: ServerFacts) -> None:
    """Log at a process's start what a 2xx guarantees from now on, with a warning where that is little."""
    warning = warning_of(facts.ack)
    if warning:
        log.warning("ack_durability_taken", ack=facts.ack, means=facts.ack_means, warning=warning)
    else:
        log.info("ack_durability_taken", ack=facts.ack, means=facts.ack_means)


def _disk(info: Mapping[str, Any], configured: Mapping[str, str]) -> Disk:
    return Disk(
        appendonly=bool(info.get("aof_enabled")),
        appendfsync=configured.get("appendfsync"),
        pauses_for_rewrite=configured.get("no-appendfsync-on-rewrite") != "no",
        commands_of=_commands_of(info),
        has_true_waitaof=has_true_waitaof(info),
        replicas=_replicas_of(info),
    )


def _replicas_of(info: Mapping[str, Any]) -> int:
    """Count the replicas that follow; one that is still getting its first copy does not count."""
    listed = (value for name, value in info.items() if re.fullmatch(r"slave\d+", name))
    return sum(isinstance(value, dict) and value.get("state") == "online" for value in listed)


def _commands_of(info: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(info["redis_version"]))[:2])


def has_true_waitaof(info: Mapping[str, Any]) -> bool:
    """Tell whether WAITAOF answers only once the file is synced."""
    return _commands_of(info) >= TRUE_WAITAOF_SINCE and "valkey_version" not in info


async def _configured(connection: RedisConnection) -> Mapping[str, str]:
    """Read the server's configuration, empty where CONFIG is forbidden, as hosted servers often do."""
    try:
        configuration: Mapping[str, str] = await connection.ask("CONFIG GET", "*appendfsync*")
    except MailboxUnavailable as error:
        if isinstance(error.__cause__, ResponseError):
            return {}
        raise
    return configuration


def require_version(version: str, disk: Disk) -> None:
    """Raise MailboxRefused for a server whose scripts cannot do what ours need."""
    if disk.commands_of < OLDEST_VERSION:
        raise MailboxRefused(
            f"The server at REDIS_URL is version {version}; the mailboxes need Redis 6.2 or newer, or Valkey: "
            "upgrade it, or set REDIS_URL to another server."
        )


def _require_noeviction(policy: str) -> None:
    if policy != "noeviction":
        raise MailboxRefused(
            f"The server at REDIS_URL has maxmemory-policy {policy}: when full, it would throw waiting events "
            "away. Set `maxmemory-policy noeviction` in its configuration, then start again."
        )


class Given(NamedTuple):
    """A level, and what gives it."""

    level: AckDurability
    means: DurabilityMechanism


def given_for(demand: AckDurability | None, disk: Disk, *, replicas: int = 1) -> Given:
    """Return the level demanded and its means; raises MailboxRefused where nothing gives it.

    Without a demand it is the best that the server's reply gives: nothing is waited for that was not asked for.
    """
    if demand is None:
        level = _by_reply(disk)
        return Given(
            level,
            DurabilityMechanism.FSYNC_ALWAYS
            if level is AckDurability.REDIS_FSYNC
            else DurabilityMechanism.REPLY,
        )
    if demand is AckDurability.REDIS_REPLICATED:
        _require_replicas(disk, replicas)
        return Given(demand, DurabilityMechanism.WAIT)
    if demand is AckDurability.REDIS_FSYNC:
        return Given(demand, _means_of_fsync(disk))
    if demand is AckDurability.REDIS and _by_reply(disk) is AckDurability.MEMORY:
        raise MailboxRefused(
            "ACK_DURABILITY=redis needs an append-only file that is synced at least once a second, and the server at "
            "REDIS_URL keeps none. Set `appendonly yes` and `appendfsync everysec` in its configuration, or "
            "ACK_DURABILITY=memory."
        )
    return Given(demand, DurabilityMechanism.REPLY)


def _require_replicas(disk: Disk, replicas: int) -> None:
    """Raise MailboxUnavailable where too few replicas follow: they come and go, and a process that starts meanwhile waits for them."""
    if disk.replicas < replicas:
        raise MailboxUnavailable(
            f"ACK_DURABILITY=redis_replicated needs {replicas} replica{'s' if replicas > 1 else ''} of the server at "
            f"REDIS_URL, and {disk.replicas} of them follow it now. If that stays so add replicas, set ACK_REPLICAS to "
            "fewer, or choose ACK_DURABILITY=redis_fsync."
        )


def weakest(facts: Sequence[ServerFacts]) -> ServerFacts:
    """Return the facts that stand for several servers: those with the weakest level, and of these those of the fullest server."""
    levels = tuple(AckDurability)
    return min(
        facts,
        key=lambda one: (levels.index(one.ack), -one.used_memory_bytes / (one.maxmemory_bytes or 2**62)),
    )


def _by_reply(disk: Disk) -> AckDurability:
    """Return the level that a reply alone gives.

    Snapshots (RDB) are minutes apart, and with `appendfsync no` a power cut takes what the system had not written
    yet: neither is the last second. Where CONFIG is forbidden, a file is taken for one of `everysec`, Redis's default.
    """
    if not disk.appendonly or disk.appendfsync == "no":
        return AckDurability.MEMORY
    if disk.appendfsync == "always" and not disk.pauses_for_rewrite:
        return AckDurability.REDIS_FSYNC
    return AckDurability.REDIS


def _means_of_fsync(disk: Disk) -> DurabilityMechanism:
    if not disk.appendonly:
        raise MailboxRefused(
            "ACK_DURABILITY=redis_fsync needs an append-only file, and the server at REDIS_URL keeps none. "
            "Set `appendonly yes` and `appendfsync always` in its configuration, or ACK_DURABILITY=redis."
        )
    if disk.appendfsync == "always" and not disk.pauses_for_rewrite:
        return DurabilityMechanism.FSYNC_ALWAYS
    if disk.has_true_waitaof and disk.appendfsync != "no":
        return DurabilityMechanism.WAITAOF
    raise MailboxRefused(
        "ACK_DURABILITY=redis_fsync needs `appendfsync always` with `no-appendfsync-on-rewrite no`, or the "
        "WAITAOF of Redis 8 or newer (others, Valkey among them, answer it too early) with `appendfsync "
        "everysec`; the server at REDIS_URL gives neither "
        f"(appendfsync {disk.appendfsync or 'unknown: CONFIG is forbidden'}). "
        "Change its configuration, or set ACK_DURABILITY=redis."
    )
