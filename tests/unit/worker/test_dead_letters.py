"""What a dead letter says."""

from __future__ import annotations

from typing import Any

import pytest

from cogento.events.letters import ACCOUNT_MISSING, MESSAGES, LetterReason
from cogento.events.names import CustomerId, EventId
from cogento.events.outcomes import Source
from cogento.queue.claims import CustomerBatch, QueuedEvent
from tests.support.builders import NOW, event_body, subscription
from worker.dead_letters import orphan_letter


def orphan(**fields: Any) -> QueuedEvent:
    body = event_body("customer.subscription.created", subscription(**fields))
    return QueuedEvent(EventId("evt_1"), body, NOW * 1000, Source.WEBHOOK, attempts=0, first_attempt_ms=None)


@pytest.mark.parametrize(
    ("account", "message"),
    [
        ("acct_1", ACCOUNT_MISSING),
        ({"id": "acct_1"}, ACCOUNT_MISSING),
        (None, MESSAGES[LetterReason.CUSTOMER_MISSING]),
    ],
)
def test_t14_a_letter_whose_customer_never_came_says_when_it_lives_as_an_account(
    account: Any, message: str
) -> None:
    waiting = orphan(customer_account=account)

    letter = orphan_letter(CustomerBatch(CustomerId("cus_1"), (waiting,), crashes=0), waiting)

    assert (letter.reason, letter.message) == (LetterReason.CUSTOMER_MISSING, message)
