"""The real mailbox keeps the contract that the receiver's unit tests rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.queue.durability import AckDurability
from cogento.queue.enqueue import AsyncEnqueuer
from cogento.queue.group_commit import GroupCommit
from tests.support.mailbox_contract import MailboxContract

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator


class TestGroupCommit(MailboxContract):
    @pytest.fixture
    def mailbox(self, redis_url: str, runner: asyncio.Runner) -> Iterator[GroupCommit]:
        postbox = AsyncEnqueuer(redis_url, ack=AckDurability.REDIS_FSYNC)
        yield GroupCommit(postbox)
        runner.run(postbox.close())
