"""The invariants of the mailboxes, read from the keys as they are; any test may check them at any moment."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import redis

STATES = ("ready", "leases", "sleeping", "paused")
SINGLE_KEYS = {
    *STATES,
    *("owners", "parked", "since", "pauses", "halted", "crashes", "tries", "bell", "stats", "probe"),
    *("workers", "delays", "pace", "fence", "lost", "inspected", "tables", "reading", "minutes"),
    *("alerts", "layout", "moving", "moved"),
}
TYPES = dict.fromkeys((*STATES, "parked", "since", "mail", "held"), "zset") | dict.fromkeys(
    ("owners", "pauses", "crashes", "tries", "bell", "stats", "workers", "delays", "pace", "lost", "minutes"),
    "hash",
)
FAMILIES = {"event", "mail", "held", "circuit", "aside"}


class Shard:
    """One shard's keys, read at one moment when nobody writes."""

    def __init__(self, client: redis.Redis, tag: str) -> None:
        self._client = client
        self._tag = tag
        self.names = sorted(
            key.decode().removeprefix(f"{tag}:") for key in cast("list[bytes]", client.keys(f"{tag}:*"))
        )
        self.mail = {name: self.members(f"mail:{name}") for name in self.family("mail")}
        self.held = {name: self.members(f"held:{name}") for name in self.family("held")}

    def family(self, prefix: str) -> list[str]:
        return [name.partition(":")[2] for name in self.names if name.startswith(f"{prefix}:")]

    def members(self, name: str) -> list[str]:
        found = cast("list[bytes]", self._client.zrange(f"{self._tag}:{name}", 0, -1))
        return [member.decode() for member in found]

    def fields(self, name: str) -> dict[str, str]:
        found = cast("dict[bytes, bytes]", self._client.hgetall(f"{self._tag}:{name}"))
        return {field.decode(): value.decode() for field, value in found.items()}

    def stored_bytes(self) -> int:
        return sum(self._client.strlen(f"{self._tag}:event:{id_}") for id_ in self.family("event"))


def broken_invariants(client: redis.Redis, tag: str = "{cogento:0}") -> list[str]:
    """Name every invariant that this shard's keys break."""
    if strange := [name for name, type_ in _types(client, tag) if type_ != TYPES.get(name, type_)]:
        return [f"each key is of its own type: {strange}"]
    shard = Shard(client, tag)
    waiting = [id_ for ids in shard.mail.values() for id_ in ids]
    held = [id_ for ids in shard.held.values() for id_ in ids]
    states = Counter(customer for state in STATES for customer in shard.members(state))
    stats = Counter({field: int(value) for field, value in shard.fields("stats").items()})
    checks = {
        "a customer with waiting events is in exactly one state, one without in none": states
        == Counter(shard.mail.keys()),
        "every waiting id has a payload and the other way round": (
            Counter(waiting + held) == Counter(shard.family("event"))
        ),
        "a lease has an owner and the other way round": set(shard.members("leases"))
        == set(shard.fields("owners")),
        "no paused customer is in line": not shard.fields("pauses").keys()
        & {*shard.members("ready"), *shard.members("sleeping")},
        "since lists those with waiting events": set(shard.members("since")) == set(shard.mail),
        "parked lists those with parked events": set(shard.members("parked")) == set(shard.held),
        "the gauges are exact": (
            (stats["waiting"], stats["parked"], stats["bytes"])
            == (len(waiting), len(held), shard.stored_bytes())
        ),
        "tries are of events that are here": set(shard.fields("tries")) <= {*waiting, *held},
        "crashes are of customers with waiting events": set(shard.fields("crashes")) <= set(shard.mail),
        "there is no key that the map does not know": all(
            name in SINGLE_KEYS or name.partition(":")[0] in FAMILIES for name in shard.names
        ),
    }
    return [name for name, holds in checks.items() if not holds]


def _types(client: redis.Redis, tag: str) -> list[tuple[str, str]]:
    """The types of all keys, by what comes after the tag up to a colon."""
    keys = [cast("bytes", key) for key in client.scan_iter(f"{tag}:*")]
    names = {key: key.decode().removeprefix(f"{tag}:").partition(":")[0] for key in keys}
    kinds = {(name, cast("bytes", client.type(key)).decode()) for key, name in names.items()}
    return [(name, kind) for name, kind in kinds if kind != "none"]  # deleted meanwhile, where a worker runs
