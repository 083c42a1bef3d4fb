"""The real mailbox keeps the contract that the receiver's unit tests rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.queue.durability import AckDurability
from cogento.queue.group_commit import GroupCommit
from cogento.queue.mailboxes import Mailboxes
from tests.support.mailbox_contract import MailboxContract

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator


class TestGroupCommit(MailboxContract):
    @pytest.fixture
    def mailbox(self, redis_url: str, runner: asyncio.Runner) -> Iterator[GroupCommit]:
        mailboxes = Mailboxes.connect(redis_url, ack=AckDurability.REDIS_FSYNC)
        yield GroupCommit(mailboxes)
        runner.run(mailboxes.close())


class TestGroupCommitOfANamedAccount(MailboxContract):
    """The mailboxes of an account that has a name keep it as well, beside those of another."""

    @pytest.fixture
    def mailbox(self, redis_url: str, runner: asyncio.Runner) -> Iterator[GroupCommit]:
        others = Mailboxes.connect(redis_url, ack=AckDurability.REDIS_FSYNC)
        yield GroupCommit(others).beside(others.of_account("eu"))
        runner.run(others.close())
