"""The simulation, the order and the tables together, without the processes between them."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from cogento.events.event import read_event
from cogento.events.outcomes import PARKED, Source
from cogento.local.stripe.compare import Comparison, compare
from cogento.local.stripe.events import webhook_body
from cogento.local.stripe.truth import truth
from cogento.store.ledger import Delivery
from cogento.store.store import Store
from tests.support.stripe_histories import lived

BATCH = 97


@pytest.mark.parametrize("seed", [1, 2])
def test_shuffled_and_doubled_deliveries_end_in_tables_that_equal_the_truth(
    database_url: str, seed: int
) -> None:
    account = lived(steps=1200, seed=seed)
    deliveries = [Delivery(read_event(webhook_body(event)), 0, 0, Source.WEBHOOK) for event in account.events]
    scrambled = [*deliveries, *deliveries[::3]]
    Random(seed).shuffle(scrambled)

    async def applied() -> Comparison:
        await _apply_all(database_url, scrambled)
        return await compare(database_url, truth(account))

    comparison = asyncio.run(applied())

    assert comparison.differences == ()
    assert comparison.unsure_rows == 0
    assert comparison.rows > 100


async def _apply_all(database_url: str, deliveries: list[Delivery]) -> None:
    store = await Store.open(database_url, pool_size=1, application_name="test")
    try:
        while deliveries:
            deliveries = [one for batch in _batches(deliveries) for one in await _apply(store, batch)]
    finally:
        await store.close()


async def _apply(store: Store, batch: list[Delivery]) -> list[Delivery]:
    """Apply a batch and return what is parked until its customer is there."""
    outcomes = (await store.apply(batch)).results
    return [one for one in batch if outcomes[one.event.id] == PARKED]


def _batches(deliveries: list[Delivery]) -> list[list[Delivery]]:
    return [deliveries[start : start + BATCH] for start in range(0, len(deliveries), BATCH)]
