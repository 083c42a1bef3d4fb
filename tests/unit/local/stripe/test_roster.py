from __future__ import annotations

from random import Random

import pytest

from cogento.local.stripe.roster import Roster


@pytest.fixture
def roster() -> Roster:
    found = Roster()
    found.add("a")
    found.add("b")
    found.add("c")
    return found


def test_what_was_discarded_is_not_drawn_again(roster: Roster) -> None:
    roster.discard("a")
    assert {roster.draw(Random(seed)) for seed in range(20)} == {"b", "c"}


def test_adding_or_discarding_twice_does_nothing_more(roster: Roster) -> None:
    roster.add("a")
    roster.discard("b")
    roster.discard("b")
    assert sorted(roster) == ["a", "c"]


def test_an_empty_roster_draws_nothing() -> None:
    assert Roster().draw(Random(1)) is None


def test_the_same_seed_draws_the_same(roster: Roster) -> None:
    assert roster.draw(Random(3)) == roster.draw(Random(3))
