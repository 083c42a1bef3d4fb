"""What an event says about a status, and what is never shown of one."""

from __future__ import annotations

import pytest

from cogento.events.event import read_status_change
from tests.support.builders import NOT_OURS_TYPE, customer, event_body, subscription

SCRIPT = "<script>alert(1)</script>"
OVERDUE = subscription(status="past_due")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (event_body("customer.subscription.updated", subscription(), before=OVERDUE), "past_due → active"),
        (event_body("customer.subscription.deleted", subscription(status="canceled")), "canceled"),
        (
            event_body("customer.subscription.updated", subscription(status=SCRIPT), before=OVERDUE),
            "past_due",
        ),
        (event_body("customer.subscription.updated", subscription(status=7)), ""),
        (
            event_body(
                "customer.subscription.updated", subscription(), before=subscription(metadata={"a": "b"})
            ),
            "",
        ),
        (event_body("customer.updated", customer()), ""),
        (event_body(NOT_OURS_TYPE, {"id": "ba_1", "object": "balance", "status": "paid"}), ""),
        (b"\xff", ""),
        (b"", ""),
    ],
)
def test_what_an_event_tells_of_a_status(body: bytes, said: str) -> None:
    assert str(read_status_change(body)) == said
