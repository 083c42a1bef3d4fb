from __future__ import annotations

from random import Random

import pytest

from cogento.local.stripe.account import IdPool


@pytest.fixture
def pool() -> IdPool:
    found = IdPool()
    found.add("a")
    found.add("b")
    found.add("c")
    return found


def test_what_was_discarded_is_not_drawn_again(pool: IdPool) -> None:
    pool.discard("a")
    assert {pool.draw(Random(seed)) for seed in range(20)} == {"b", "c"}


def test_adding_or_discarding_twice_does_nothing_more(pool: IdPool) -> None:
    pool.add("a")
    pool.discard("b")
    pool.discard("b")
    assert sorted(pool) == ["a", "c"]


def test_an_empty_pool_draws_nothing() -> None:
    assert IdPool().draw(Random(1)) is None


def test_the_same_seed_draws_the_same(pool: IdPool) -> None:
    assert pool.draw(Random(3)) == pool.draw(Random(3))
