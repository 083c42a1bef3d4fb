"""`python -m worker.health`: whether a worker of this host takes work; container engines ask this.

Exits with 1 only where a restart helps: a Redis that is away is reported, but is not a fault of the worker.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import click

from cogento.queue.errors import MailboxDenied, MailboxUnavailable
from cogento.queue.mailboxes import Mailboxes
from cogento.settings import MailboxSettings, load_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.queue.worker_registry import SeenWorker


def main() -> None:
    """Print the answer, and exit with 0 or 1."""
    try:
        seen = asyncio.run(_seen(load_each(MailboxSettings)[0]))
    except MailboxUnavailable as error:
        click.echo(f"unknown: {error if isinstance(error, MailboxDenied) else 'Redis does not answer'}")
        return
    if not is_at_work(seen, socket.gethostname()):
        click.echo("no worker of this host takes work")
        raise SystemExit(1)
    click.echo("at work")


async def _seen(settings: MailboxSettings) -> Sequence[SeenWorker]:
    mailboxes = Mailboxes.connect(
        settings.redis_url.get_secret_value(),
        shards=settings.mailbox_shards,
        ack=settings.ack_durability,
        replicas=settings.ack_replicas,
        account=settings.account,
    )
    try:
        return await mailboxes.workers.seen()
    finally:
        await mailboxes.close()


def is_at_work(seen: Sequence[SeenWorker], host: str) -> bool:
    """Whether one of the workers seen is this host's and alive."""
    return any(worker.is_alive and worker.worker.rpartition(":")[0] == host for worker in seen)


if __name__ == "__main__":
    main()
