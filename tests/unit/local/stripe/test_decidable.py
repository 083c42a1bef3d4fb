"""The simulation leaves nothing undecidable: where every event arrives, the order finds the truth alone."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

from cogento.events.event import read_event
from cogento.events.kinds.customer import CustomerColumns
from cogento.events.kinds.kind import Columns
from cogento.events.kinds.subscription import SubscriptionColumns
from cogento.local.stripe.events import webhook_body
from cogento.local.stripe.truth import SubscriptionTruth, UserTruth, truth
from cogento.ordering.order import CurrentRow, decide
from tests.support.stripe_histories import long_life

if TYPE_CHECKING:
    from cogento.events.event import Event
    from cogento.ordering.order import Decision


def test_shuffled_events_one_at_a_time_end_in_the_truth_and_in_no_doubt() -> None:
    account = long_life()
    events = [read_event(webhook_body(event)) for event in account.events]
    Random(5).shuffle(events)

    rows = _decided(events)

    known = truth(account)
    expected = {
        **{one.stripe_customer_id: _user(one) for one in known.users},
        **{one.stripe_subscription_id: _subscription(one) for one in known.subscriptions},
    }
    assert {an_id: _shown(row.columns) for an_id, row in rows.items()} == expected
    assert {row.sure for row in rows.values()} == {True}


def test_the_event_that_a_row_names_is_one_that_the_truth_allows() -> None:
    account = long_life()
    rows = _decided([read_event(webhook_body(event)) for event in reversed(account.events)])
    known = truth(account)
    allowed = {
        **{one.stripe_customer_id: one.events for one in known.users},
        **{one.stripe_subscription_id: one.events for one in known.subscriptions},
    }
    assert [an_id for an_id, row in rows.items() if row.last_event_id not in allowed[an_id]] == []


def _decided(events: list[Event]) -> dict[str, Decision]:
    rows: dict[str, Decision] = {}
    for event in events:
        row = rows.get(event.object_id)
        known = CurrentRow(row.evidence, row.last_event_id, row.columns) if row else None
        rows[event.object_id] = decide(known, [event.version])
    return rows


def _shown(columns: Columns) -> tuple[Any, ...]:
    if isinstance(columns, CustomerColumns):
        address = json.loads(columns.address or "null")
        metadata = json.loads(columns.metadata)
        return (columns.stripe_email, columns.name, columns.phone, address, metadata, columns.deleted)
    assert isinstance(columns, SubscriptionColumns)
    period = (columns.current_period_start, columns.current_period_end)
    metadata = json.loads(columns.metadata)
    return (columns.customer_id, columns.product_id, columns.status, *period, metadata)


def _user(one: UserTruth) -> tuple[Any, ...]:
    return (one.stripe_email, one.name, one.phone, one.address, one.metadata, one.deleted)


def _subscription(one: SubscriptionTruth) -> tuple[Any, ...]:
    period = (one.current_period_start, one.current_period_end)
    return (one.stripe_customer_id, one.product_id, one.status, *period, one.metadata)
