"""Which server gives which ack level by which means, for every kind of server."""

from __future__ import annotations

import pytest

from mailboxes.checks import Disk, means_of, require_version
from mailboxes.durability import AckDurability, AckMeans
from mailboxes.errors import MailboxRefused


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
        (disk(), AckMeans.FSYNC_ALWAYS),
        (disk(has_true_waitaof=False), AckMeans.FSYNC_ALWAYS),
        (disk(appendfsync="everysec"), AckMeans.WAITAOF),
        (disk(pauses_for_rewrite=True), AckMeans.WAITAOF),
        (disk(appendfsync=None), AckMeans.WAITAOF),
    ],
)
def test_the_fsync_level_is_given_by(server: Disk, means: AckMeans) -> None:
    assert means_of(AckDurability.REDIS_FSYNC, server) is means


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
        means_of(AckDurability.REDIS_FSYNC, server)


@pytest.mark.parametrize("server", [disk(appendonly=False), disk(appendfsync="no"), disk(commands_of=(6, 2))])
def test_the_reply_level_is_given_by_every_server(server: Disk) -> None:
    assert means_of(AckDurability.REDIS, server) is AckMeans.REPLY


def test_a_server_older_than_our_scripts_is_refused() -> None:
    require_version("6.2.0", disk(commands_of=(6, 2)))
    with pytest.raises(MailboxRefused, match=r"version 6\.0\.9.*6\.2 or newer.*upgrade"):
        require_version("6.0.9", disk(commands_of=(6, 0)))
