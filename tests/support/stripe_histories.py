"""Histories of a simulated account, and a second reading of them that shares no code with the first."""

from __future__ import annotations

import json
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from cogento.local.stripe.account import Account
from cogento.local.stripe.activity import WEIGHTS, AccountActivity, Action
from cogento.local.stripe.events import webhook_body
from cogento.local.stripe.shapes import DAHLIA

if TYPE_CHECKING:
    from collections.abc import Mapping

START = 1_780_000_000
STEPS_A_SECOND = 15

Json = dict[str, Any]


def lived(
    *,
    steps: int,
    seed: int = 1,
    population: int = 60,
    api_version: str = DAHLIA,
    weights: Mapping[Action, int] = WEIGHTS,
) -> Account:
    """An account after so many actions, several of them in each second."""
    account = Account(Random(seed), api_version=api_version)
    activity = AccountActivity(account, population=population, weights=weights)
    for step in range(steps):
        activity.step(START + step // STEPS_A_SECOND)
    return account


@cache
def long_life() -> Account:
    """One account in which everything has happened; shared, so only read it."""
    return lived(steps=3000)


def posted(account: Account) -> list[Json]:
    """Every event as a receiver reads it, in the true order."""
    return [json.loads(webhook_body(event)) for event in account.events]


def with_true_predecessors(events: list[Json]) -> list[tuple[Json, Json]]:
    """Every update with the object as the event before it, about the same object, showed it."""
    latest: dict[str, Json] = {}
    pairs = []
    for event in events:
        shown = event["data"]["object"]
        if "previous_attributes" in event["data"]:
            pairs.append((event, latest[shown["id"]]))
        latest[shown["id"]] = shown
    return pairs


def undone(event: Json) -> Any:
    """The object before an update, by what the update says."""
    return _merged(event["data"]["object"], event["data"]["previous_attributes"])


def pruned(value: Any) -> Any:
    """A document without nulls and empty containers, for which absent and null are the same."""
    if isinstance(value, dict):
        kept = {key: pruned(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one is not None} or None
    if isinstance(value, list):
        return [pruned(one) for one in value] or None
    return value


def _merged(new: Any, old: Any) -> Any:
    if isinstance(new, dict) and isinstance(old, dict):
        return {**new, **{key: _merged(new.get(key), one) for key, one in old.items()}}
    return old
