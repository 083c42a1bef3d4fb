"""Deliveries of one object's events: every order, split, repetition and crash of a few, and all at random of many.

A delivery is a list of batches; each batch goes through `decide` with the row before it, as in the store. After a crash, and in
a redelivery, a batch comes again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product
from typing import TYPE_CHECKING

from cogento.ordering.order import CurrentRow, Decision, Version, decide

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from random import Random

    from cogento.events.kinds.kind import Columns

Batch = list[Version]


@dataclass(frozen=True, slots=True)
class Row:
    """All that a row would hold, order evidence included."""

    columns: Columns
    last_event_id: str
    sure: bool
    evidence: bytes


def known_after(decision: Decision | None) -> CurrentRow | None:
    """What the row knows once a decision is written."""
    return CurrentRow(decision.evidence, decision.last_event_id, decision.columns) if decision else None


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
    """Return the row with which a delivery ends."""
    last = last_step(*batches)
    return Row(last.columns, last.last_event_id, last.sure, last.evidence)


def rows_of_every_order(versions: Sequence[Version]) -> set[Row]:
    """Deliver the events in every order: with correct rules all end in one row."""
    return set(map(row_after, every_order(versions)))


def every_order(versions: Sequence[Version]) -> Iterator[list[Batch]]:
    """Every permutation of the events, one by one and all at once."""
    for order in permutations(versions):
        yield one_by_one(order)
        yield [list(order)]


def every_split(versions: Sequence[Version]) -> Iterator[list[Batch]]:
    """Every way to split the events, in this order, into batches."""
    for cuts in product((True, False), repeat=len(versions) - 1):
        batches = [[versions[0]]]
        for version, is_cut in zip(versions[1:], cuts, strict=True):
            batches = [*batches, [version]] if is_cut else [*batches[:-1], [*batches[-1], version]]
        yield batches


def every_repetition(versions: Sequence[Version]) -> Iterator[list[Batch]]:
    """Each event once more, at every later place."""
    for again, place in product(range(len(versions)), repeat=2):
        if again <= place:
            yield one_by_one([*versions[: place + 1], versions[again], *versions[place + 1 :]])


def every_crash(batches: Sequence[Batch]) -> Iterator[list[Batch]]:
    """A worker dies after each commit: its batch comes again, as it was or with events that came meanwhile."""
    for crashed in range(len(batches)):
        done, then = batches[: crashed + 1], batches[crashed + 1 :]
        yield [*done, batches[crashed], *then]
        yield [*done, [*batches[crashed], *(then[0] if then else [])], *then[1:]]


def scrambled(dice: Random, versions: Sequence[Version]) -> list[Batch]:
    """Every event twice, in any order, in batches of any size; some batches come again after a crash."""
    return shuffled(dice, [*versions, *versions])


def shuffled(dice: Random, copies: Sequence[Version]) -> list[Batch]:
    """These copies of events in any order, in batches of any size; some batches come again after a crash."""
    events, batches = [*copies], list[Batch]()
    dice.shuffle(events)
    for batch in split(dice, events):
        batches.append(batch)
        batches.extend(dice.choices(batches, k=dice.choice((0, 0, 1))))
    return batches


def split(dice: Random, events: Sequence[Version]) -> Iterator[Batch]:
    """Batches of any size, in this order."""
    while events:
        size = dice.choice((1, 1, 1, 2, 3, 8))
        yield [*events[:size]]
        events = events[size:]
