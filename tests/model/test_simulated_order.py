"""The order on the simulated account: whole objects, busy seconds, and an endpoint upgrade in mid-stream."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest

from cogento.events.event import read_event
from cogento.events.versions import ORDER_WINDOW
from cogento.local.stripe.account import Account
from cogento.local.stripe.activity import AccountActivity
from cogento.local.stripe.events import webhook_body
from cogento.local.stripe.shapes import DAHLIA, LEGACY
from tests.support.model.deliveries import Row, row_after, scrambled
from tests.support.model.histories import START, version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cogento.ordering.order import Version

EVENTS = 1_500


def histories(seed: int, *, population: int) -> list[list[Version]]:
    """Live an account whose seconds are full of events; give each object's versions in true order."""
    dice = Random(seed)
    account = Account(dice)
    activity = AccountActivity(account, population=population)
    now = 1_780_000_000
    while len(account.events) < EVENTS:
        activity.step(at=now)
        now += dice.choice((0,) * 12 + (1, 4))
        account.api_version = dice.choice((LEGACY, DAHLIA))
    versions: dict[str, list[Version]] = defaultdict(list)
    for event in account.events:
        versions[event.object_id].append(read_event(webhook_body(event)).version)
    return list(versions.values())


def rows(dice: Random, versions: Iterable[list[Version]]) -> list[Row]:
    return [row_after(scrambled(dice, life)) for life in versions]


@pytest.mark.parametrize(("seed", "population"), [(1, 10), (2, 60)])
def test_every_object_ends_in_its_last_state_and_none_is_unsure(seed: int, population: int) -> None:
    lives = histories(seed, population=population)

    ended = rows(Random(seed), lives)

    assert [row.columns for row in ended] == [life[-1].columns for life in lives]
    assert [row for row in ended if not row.sure] == []


def test_two_deliveries_leave_the_same_rows() -> None:
    lives = histories(3, population=20)

    assert rows(Random(1), lives) == rows(Random(2), lives)


@pytest.mark.parametrize("seed", range(2))
def test_a_minute_of_two_changes_a_second_with_inexact_stamps_leaves_no_doubt(seed: int) -> None:
    dice = Random(seed)
    states = [f"state {i}" for i in range(130)]
    changes = [
        version(f"evt_{i}", START + i // 2 + dice.randint(0, ORDER_WINDOW), after, before)
        for i, (before, after) in enumerate(pairwise(states))
    ]

    row = row_after(scrambled(dice, changes))

    assert (row.columns, row.sure) == (changes[-1].columns, True)
