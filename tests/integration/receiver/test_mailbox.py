"""The real mailbox keeps the contract that the receiver's unit tests rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailboxes.durability import AckDurability
from mailboxes.group_commit import GroupCommit
from mailboxes.mailboxes import Mailboxes
from receiver.mailbox import CheckedMailboxes
from tests.unit.receiver.mailbox_contract import MailboxContract

if TYPE_CHECKING:
    from collections.abc import Iterator


class TestGroupCommit(MailboxContract):
    @pytest.fixture
    def mailbox(self, redis_url: str) -> Iterator[GroupCommit]:
        mailboxes = Mailboxes.connect(redis_url, ack=AckDurability.REDIS_FSYNC)
        yield GroupCommit(CheckedMailboxes(mailboxes))
        mailboxes.close()
