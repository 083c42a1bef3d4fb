"""Which server gives which ack level by which means, for every kind of server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.queue.checks import Disk, given_for, require_version
from cogento.queue.durability import AckDurability, DurabilityMechanism, warning_of
from cogento.queue.errors import MailboxRefused

if TYPE_CHECKING:
    from collections.abc import Sequence


def disk(
    *,
    appendonly: bool = True,
    appendfsync: str | None = "always",
    pauses_for_rewrite: bool = False,
    commands_of: tuple[int, ...] = (8, 0),
    has_true_waitaof: bool = True,
) -> Disk:
    return Disk(
        appendonly=appendonly,
        appendfsync=appendfsync,
        pauses_for_rewrite=pauses_for_rewrite,
        commands_of=commands_of,
        has_true_waitaof=has_true_waitaof,
    )


@pytest.mark.parametrize(
    ("server", "means"),
    [
        (disk(), DurabilityMechanism.FSYNC_ALWAYS),
        (disk(has_true_waitaof=False), DurabilityMechanism.FSYNC_ALWAYS),
        (disk(appendfsync="everysec"), DurabilityMechanism.WAITAOF),
        (disk(pauses_for_rewrite=True), DurabilityMechanism.WAITAOF),
        (disk(appendfsync=None), DurabilityMechanism.WAITAOF),
    ],
)
def test_the_fsync_level_is_given_by(server: Disk, means: DurabilityMechanism) -> None:
    assert given_for(AckDurability.REDIS_FSYNC, server) == (AckDurability.REDIS_FSYNC, means)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (disk(appendonly=False), "keeps none"),
        (disk(appendfsync="no"), "appendfsync no"),
        (disk(appendfsync="everysec", has_true_waitaof=False), "appendfsync everysec"),
        (disk(appendfsync=None, has_true_waitaof=False), "unknown: CONFIG is forbidden"),
        (disk(pauses_for_rewrite=True, has_true_waitaof=False), "no-appendfsync-on-rewrite no"),
    ],
)
def test_the_fsync_level_is_refused_with_a_way_out(server: Disk, reason: str) -> None:
    with pytest.raises(MailboxRefused, match=rf"{reason}.*ACK_DURABILITY=redis\."):
        given_for(AckDurability.REDIS_FSYNC, server)


EACH_SECOND = (
    disk(appendfsync="everysec"),
    disk(appendfsync="everysec", has_true_waitaof=False),
    disk(appendfsync=None),  # it hides its configuration; everysec is what it is by default
    disk(pauses_for_rewrite=True),
)
NOTHING_SURE = (disk(appendonly=False), disk(appendonly=False, appendfsync=None), disk(appendfsync="no"))


@pytest.mark.parametrize("server", [*EACH_SECOND, disk(), disk(commands_of=(6, 2))])
def test_the_level_redis_is_given_by_a_file_that_is_synced_each_second(server: Disk) -> None:
    assert given_for(AckDurability.REDIS, server) == (AckDurability.REDIS, DurabilityMechanism.REPLY)


@pytest.mark.parametrize("server", NOTHING_SURE)
def test_t23_the_level_redis_is_refused_where_a_power_cut_takes_more_than_a_second(server: Disk) -> None:
    with pytest.raises(MailboxRefused, match=r"appendonly yes.*ACK_DURABILITY=memory\."):
        given_for(AckDurability.REDIS, server)


@pytest.mark.parametrize("server", [*NOTHING_SURE, *EACH_SECOND, disk()])
def test_t23_the_level_memory_is_given_by_every_server_when_it_is_asked_for(server: Disk) -> None:
    assert given_for(AckDurability.MEMORY, server) == (AckDurability.MEMORY, DurabilityMechanism.REPLY)


@pytest.mark.parametrize(
    ("servers", "level", "means"),
    [
        (NOTHING_SURE, AckDurability.MEMORY, DurabilityMechanism.REPLY),
        (EACH_SECOND, AckDurability.REDIS, DurabilityMechanism.REPLY),
        ([disk(), disk(has_true_waitaof=False)], AckDurability.REDIS_FSYNC, DurabilityMechanism.FSYNC_ALWAYS),
    ],
)
def test_t23_without_a_demand_the_level_is_what_the_servers_reply_gives(
    servers: Sequence[Disk], level: AckDurability, means: DurabilityMechanism
) -> None:
    assert [given_for(None, server) for server in servers] == [(level, means)] * len(servers)


def test_t23_only_the_level_memory_is_warned_of() -> None:
    assert [level for level in AckDurability if warning_of(level)] == [AckDurability.MEMORY]


def test_a_server_older_than_our_scripts_is_refused() -> None:
    require_version("6.2.0", disk(commands_of=(6, 2)))
    with pytest.raises(MailboxRefused, match=r"version 6\.0\.9.*6\.2 or newer.*upgrade"):
        require_version("6.0.9", disk(commands_of=(6, 0)))
