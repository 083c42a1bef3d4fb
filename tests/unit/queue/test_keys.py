"""The map of the keys and the shards."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources

import pytest
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from cogento.events.names import CustomerId
from cogento.queue import keys
from tests.support.mailbox_invariants import FAMILIES, SINGLE_KEYS


@pytest.mark.parametrize(("customer", "shard"), [("cus_1", 5), ("cus_2", 3), ("cus_NffrFeUfNV2Hib", 4)])
def test_a_customer_has_the_same_shard_in_every_process(customer: str, shard: int) -> None:
    assert keys.shard_of(CustomerId(customer), shards=7) == shard


def test_customers_are_spread_evenly() -> None:
    shards = [keys.shard_of(CustomerId(f"cus_{number}"), shards=4) for number in range(4_000)]
    assert min(shards.count(shard) for shard in range(4)) > 900


@pytest.mark.parametrize("masters", [1, 2, 3, 4, 6, 12])
def test_masters_with_as_many_slots_have_as_many_shards(masters: int) -> None:
    owners = Counter(key_slot(tag.encode()) * masters // REDIS_CLUSTER_HASH_SLOTS for tag in keys.tags(12))
    assert list(owners.values()) == [12 // masters] * masters


@pytest.mark.parametrize("shards", [5, 16, 100, 256])
def test_masters_differ_by_one_shard_where_it_does_not_come_out_even(shards: int) -> None:
    owners = Counter(key_slot(tag.encode()) * 3 // REDIS_CLUSTER_HASH_SLOTS for tag in keys.tags(shards))
    assert len(set(keys.tags(shards))) == shards
    assert max(owners.values()) - min(owners.values()) <= 1


def test_the_first_shard_is_called_the_same_whatever_their_number() -> None:
    assert {keys.tags(shards)[0] for shards in range(1, 20)} == {"{cogento:0}"}


def test_accounts_have_no_key_in_common() -> None:
    accounts = [keys.tags(shards, name) for shards in (1, 12) for name in ("default", "eu", "eu_0", "of")]
    assert len({tag for tags in accounts[:4] for tag in tags}) == 4
    assert len({tag for tags in accounts[4:] for tag in tags}) == 48


def test_keys_of_every_account_are_among_ours() -> None:
    assert keys.tags(2, "eu")[0] == "{cogento:eu:0}"
    assert keys.tags(2, "eu")[1].startswith("{cogento:eu:1of2.")


def test_shards_of_an_account_are_spread_evenly_over_masters() -> None:
    owners = Counter(key_slot(tag.encode()) * 3 // REDIS_CLUSTER_HASH_SLOTS for tag in keys.tags(12, "eu"))
    assert list(owners.values()) == [4, 4, 4]


def test_every_key_that_lua_makes_is_on_the_map() -> None:
    made = set(
        re.findall(
            r"tag \.\. ':(\w+)", resources.files("cogento.queue").joinpath("lua/shard.lua").read_text()
        )
    )
    mapped = set(re.findall(r"^\| `:(\w+)", keys.__doc__ or "", flags=re.MULTILINE))
    assert (
        made | {"probe", "inspected", "tables", "reading", "minutes", "alerts", "moving", "moved"} == mapped
    )
    assert mapped == SINGLE_KEYS | FAMILIES
