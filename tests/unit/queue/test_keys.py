"""The map of the keys and the shards."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from cogento.events.names import CustomerId
from cogento.queue import keys
from tests.support.mailbox_invariants import FAMILIES, SINGLE_KEYS


@pytest.mark.parametrize(("customer", "shard"), [("cus_1", 5), ("cus_2", 3), ("cus_NffrFeUfNV2Hib", 4)])
def test_a_customer_has_the_same_shard_in_every_process(customer: str, shard: int) -> None:
    assert keys.shard_of(CustomerId(customer), shards=7) == shard


def test_customers_are_spread_evenly() -> None:
    shards = [keys.shard_of(CustomerId(f"cus_{number}"), shards=4) for number in range(4_000)]
    assert min(shards.count(shard) for shard in range(4)) > 900


def test_every_key_that_lua_makes_is_on_the_map() -> None:
    made = set(
        re.findall(
            r"tag \.\. ':(\w+)", resources.files("cogento.queue").joinpath("lua/shard.lua").read_text()
        )
    )
    mapped = set(re.findall(r"^\| `:(\w+)", keys.__doc__ or "", flags=re.MULTILINE))
    assert made | {"probe", "inspected", "tables", "reading", "minutes", "alerts"} == mapped
    assert mapped == SINGLE_KEYS | FAMILIES
