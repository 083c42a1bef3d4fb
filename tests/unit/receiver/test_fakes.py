from __future__ import annotations

import pytest

from tests.unit.receiver.fakes import FakeMailbox
from tests.unit.receiver.mailbox_contract import MailboxContract


class TestFakeMailbox(MailboxContract):
    @pytest.fixture
    def mailbox(self) -> FakeMailbox:
        return FakeMailbox()
