"""Dead letters with defaults, for the tests that need some."""

from __future__ import annotations

from typing import Any

from cogento.events.names import CustomerId, EventId
from cogento.retries import FailureClass
from cogento.store.dead_letters import DeadLetter
from tests.support import builders
from tests.support.builders import NOW

BODY = builders.event_body("customer.updated", builders.customer(name="\x00 \ud800"), id_="evt_1")


def letter(event: str = "1", **fields: Any) -> DeadLetter:
    """A letter of evt_<event> of cus_1."""
    return DeadLetter(
        **{
            "event_id": EventId(f"evt_{event}"),
            "event_type": "customer.updated",
            "customer_id": CustomerId("cus_1"),
            "object_id": "cus_1",
            "created": NOW,
            "raw_body": BODY,
            "received_ms": NOW * 1000,
            "source": "webhook",
            "attempts": 5,
            "reason": "bug",
            "message": "Something we did not foresee.",
            "failure_class": FailureClass.BUG,
            **fields,
        }
    )
