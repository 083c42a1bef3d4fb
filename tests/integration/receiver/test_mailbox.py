"""The real mailbox keeps the contract that the receiver's unit tests rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailboxes.durability import AckDurability
from mailboxes.group_commit import GroupCommit
from mailboxes.mailboxes import Mailboxes
from receiver.mailbox import CheckedMailbox
from tests.unit.receiver.fakes import no_limit
from tests.unit.receiver.mailbox_contract import MailboxContract

if TYPE_CHECKING:
    from collections.abc import Iterator


class TestCheckedMailbox(MailboxContract):
    @pytest.fixture
    def mailbox(self, redis_url: str) -> Iterator[CheckedMailbox]:
        mailboxes = Mailboxes.connect(redis_url, ack=AckDurability.REDIS_FSYNC)
        yield CheckedMailbox(mailboxes, GroupCommit(mailboxes), time_limit=no_limit)
        mailboxes.close()
