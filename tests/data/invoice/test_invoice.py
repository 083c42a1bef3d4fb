"""Invoices: which columns are read from them, and which of their events is last."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from cogento.events.event import Event, read_event
from cogento.events.kinds.invoice import InvoiceColumns
from cogento.ordering.order import decide
from tests.support.builders import NOW, event_body


def invoice(**fields: Any) -> dict[str, Any]:
    return {
        "id": "in_1",
        "object": "invoice",
        "customer": "cus_1",
        "number": "7FE1103-0001",
        "status": "open",
        "currency": "eur",
        "amount_due": 1200,
        "amount_paid": 0,
        "attempt_count": 0,
        "due_date": None,
        "metadata": {},
        "created": NOW,
        **fields,
    }


def test_shows_what_stripe_has() -> None:
    body = event_body("invoice.finalized", invoice(due_date=NOW + 60, metadata={"a": "1"}))

    assert read_event(body).columns == InvoiceColumns(
        customer_id="cus_1",
        number="7FE1103-0001",
        status="open",
        currency="eur",
        amount_due=1200,
        amount_paid=0,
        due_at=NOW + 60,
        metadata='{"a":"1"}',
        stripe_created_at=NOW,
    )


DRAFT = invoice(status="draft", number=None)
FAILED = invoice(attempt_count=1)
LIFE = [
    read_event(event_body("invoice.created", DRAFT, id_="evt_4")),
    read_event(event_body("invoice.updated", invoice(), before=DRAFT, id_="evt_3")),
    read_event(event_body("invoice.updated", FAILED, before=invoice(), id_="evt_2")),
    read_event(event_body("invoice.paid", invoice(status="paid", attempt_count=1), id_="evt_1")),
]


@pytest.mark.parametrize("order", list(permutations(LIFE)))
def test_an_invoice_that_was_paid_is_paid_in_whatever_order_its_events_of_one_second_come(
    order: tuple[Event, ...],
) -> None:
    row = decide(None, [event.version for event in order])

    assert (row.last_event_id, row.sure) == ("evt_1", True)
