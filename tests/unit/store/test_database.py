from __future__ import annotations

import asyncio

import pytest

from cogento.store.store import Store

NOWHERE = "postgresql://u@127.0.0.1:1/x"


async def in_another_schema(*, schemas: int) -> Store:
    store = await Store.open(NOWHERE, pool_size=1, application_name="test", schemas=schemas)
    try:
        return store.in_schema("stripe_eu")
    finally:
        await store.close()


def test_connections_of_one_schema_serve_no_other_and_say_so() -> None:
    with pytest.raises(ValueError, match="cannot serve stripe_eu: open them with schemas=2"):
        asyncio.run(in_another_schema(schemas=1))


def test_connections_of_several_schemas_serve_another() -> None:
    assert asyncio.run(in_another_schema(schemas=2))
