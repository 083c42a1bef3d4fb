from __future__ import annotations

import pytest

from tests.support.mailbox_contract import MailboxContract
from tests.support.receiver_fakes import FakeMailbox


class TestFakeMailbox(MailboxContract):
    @pytest.fixture
    def mailbox(self) -> FakeMailbox:
        return FakeMailbox()
