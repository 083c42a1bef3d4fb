"""Deliveries of one object's events: every order of a few, and what many workers do to many.

A delivery is a list of batches; each batch goes through `decide` with what the row knew, as the store does
it. Crash and redelivery are batches that come again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

from events.ordering import Decision, Known, Version, decide

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from random import Random

    from events.columns import CustomerColumns, SubscriptionColumns

Batch = list[Version]


@dataclass(frozen=True, slots=True)
class Row:
    """All that a row would hold, order evidence included."""

    columns: CustomerColumns | SubscriptionColumns
    shown: str
    sure: bool
    evidence: bytes


def known_after(decision: Decision | None) -> Known | None:
    """What the row knows once a decision is written."""
    return Known(decision.evidence, decision.shown, decision.columns) if decision else None


def steps(batches: Iterable[Sequence[Version]]) -> Iterator[Decision]:
    """Give the decision after each batch."""
    decision: Decision | None = None
    for batch in batches:
        decision = decide(known_after(decision), batch)
        yield decision


def last_step(*batches: Sequence[Version]) -> Decision:
    """Give the decision after the last batch."""
    return list(steps(batches))[-1]


def one_by_one(versions: Iterable[Version]) -> list[Batch]:
    """Every event in a batch of its own."""
    return [[version] for version in versions]


def row_after(batches: Iterable[Sequence[Version]]) -> Row:
    """Give the row that a delivery ends in."""
    last = last_step(*batches)
    return Row(last.columns, last.shown, last.sure, last.evidence)


def rows_of_every_order(versions: Sequence[Version]) -> set[Row]:
    """Deliver the events in every order, one by one and all at once: right rules leave one row."""
    one_at_a_time = {row_after(one_by_one(order)) for order in permutations(versions)}
    return one_at_a_time | {row_after([list(order)]) for order in permutations(versions)}


def scrambled(dice: Random, versions: Sequence[Version]) -> list[Batch]:
    """Every event twice, in any order, in batches of any size; some batches come again after a crash."""
    events = [*versions, *versions]
    dice.shuffle(events)
    batches: list[Batch] = []
    while events:
        size = dice.choice((1, 1, 1, 2, 3, 8))
        batches.append(events[:size])
        batches.extend(dice.choices(batches, k=dice.choice((0, 0, 1))))
        events = events[size:]
    return batches
