"""Judges a history without using the rules: by every total order of its events that fits the evidence.

An order fits when the creation comes first, endings last, and of two events that are further apart than a stamp
can be late the newer one later. A break is an event that does not lead from the state which the one before it left. It is
harmless between two parts of the history that are separated by time alone; elsewhere it means that a link is missing. The end is
determined where every event that may be the last shows it, or where all orders without a missing link end in it and one of them
agrees with the stamps. Shares no code with cogento.ordering.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cogento.events.versions import ORDER_WINDOW, STAMP_JITTER, Lifecycle, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Cost = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Change:
    """A change, or a sighting: what its events say in common, and the first and last second with which they are stamped."""

    first: int
    last: int
    before: bytes
    state: bytes
    fetched: bool


@dataclass(frozen=True, slots=True)
class Opinion:
    """The states in which the best orders end, and whether the evidence determines one of them.

    `possible` are the states of all events that are not surely earlier than another: where nothing is decided, the best orders
    are guesses at which links are missing, and any of these may be the last.
    """

    ends: frozenset[bytes]
    decidable: bool
    possible: frozenset[bytes]

    def rules_out(self, state: bytes) -> bool:
        """Tell whether this state is known not to be the last."""
        return state not in (self.ends if self.decidable else self.possible)


def judge(versions: Iterable[Version]) -> Opinion:
    """Judge all orders of the changes that these events describe."""
    once = list({version.event_id: version for version in versions}.values())
    ended = [v for v in once if v.terminal]
    living = [v for v in once if v.lifecycle is not Lifecycle.CREATED]
    openings = [v.state for v in once if v.lifecycle is Lifecycle.CREATED and not ended]
    timed = _changes(ended or living)
    if not timed:
        seen = frozenset(openings)
        return Opinion(seen, decidable=len(seen) == 1, possible=seen)
    start = openings[0] if openings else None
    for part, begins in _parts(timed, start):
        if _is_decided(part, begins):
            return Opinion(_best(part, begins)[1], decidable=True, possible=_all_ends(timed))
    return Opinion(_best(timed, start)[1], decidable=False, possible=_all_ends(timed))


def _changes(events: Iterable[Version]) -> list[Change]:
    """Merge events of the same change by the same request; oldest first."""
    told: dict[object, list[Version]] = {}
    for v in events:
        is_change = v.before is not None and v.before != v.state
        key = (v.request, v.before, v.state) if is_change and v.request is not None else v.event_id
        told.setdefault(key, []).append(v)
    changes = [
        Change(
            first=min(v.created for v in same),
            last=max(v.created for v in same),
            before=same[0].before or same[0].state,
            state=same[0].state,
            fetched=same[0].fetched,
        )
        for same in told.values()
    ]
    return sorted(changes, key=lambda change: change.first)


def _parts(timed: Sequence[Change], start: bytes | None) -> Iterable[tuple[Sequence[Change], bytes | None]]:
    """Yield the newest parts that are separated by time alone, shortest first, each with the state known to come before it.

    Where that state is known, a part is always judged with it: a contradiction is as informative as a fit.
    """
    for i in range(len(timed) - 1, 0, -1):
        if _time_separates(timed[:i], timed[i:]):
            yield timed[i:], _decided_end(timed[:i], start)
    yield timed, start


def _decided_end(timed: Sequence[Change], start: bytes | None) -> bytes | None:
    ends = (_best(*part)[1] for part in _parts(timed, start) if _is_decided(*part))
    return next((next(iter(end)) for end in ends), None)


def _is_decided(part: Sequence[Change], start: bytes | None) -> bool:
    if len(_all_ends(part)) == 1:
        return True
    (missing, breaks), ends = _best(part, start)
    if missing or len(ends) > 1:
        return False
    return _best(part, start, precedes=_reads_before)[0] == (0, breaks)


def _all_ends(part: Sequence[Change]) -> frozenset[bytes]:
    return frozenset(one.state for one in part if not any(_is_surely_before(one, other) for other in part))


def _is_surely_before(one: Change, other: Change) -> bool:
    """Tell whether one is earlier, however late its stamps may be; an answer of Stripe is stamped exactly."""
    return one.first + (ORDER_WINDOW if other.fetched else STAMP_JITTER) < other.last


def _reads_before(one: Change, other: Change) -> bool:
    """Tell whether one is earlier if the stamps are right."""
    return one.first + ORDER_WINDOW < other.last


def _best(
    part: Sequence[Change],
    start: bytes | None,
    *,
    precedes: Callable[[Change, Change], bool] = _is_surely_before,
) -> tuple[Cost, frozenset[bytes]]:
    """Find the least (missing links, harmless breaks) of all orders, and where the orders of that cost end.

    Sets of changes are numbers, one bit each: histories of more than a hundred events are judged, too.
    """
    earlier = [_bits(precedes(other, one) and other is not one for other in part) for one in part]
    mingled = [_bits(not _is_apart(one, other) for other in part) for one in part]
    places = range(len(part))

    @cache
    def best(left: int, at: bytes | None) -> tuple[Cost, frozenset[bytes]]:
        if not left:
            assert at is not None
            return (0, 0), frozenset({at})
        harmless = not any(mingled[i] & left for i in places if not left >> i & 1)
        found: dict[Cost, frozenset[bytes]] = {}
        for i in places:
            if not left >> i & 1 or earlier[i] & left:
                continue
            (missing, harmless_breaks), ends = best(left & ~(1 << i), part[i].state)
            if at is not None and at != part[i].before:
                missing, harmless_breaks = missing + (not harmless), harmless_breaks + harmless
            cost = (missing, harmless_breaks)
            found[cost] = found.get(cost, frozenset()) | ends
        return min(found.items())

    return best((1 << len(part)) - 1, start)


def _bits(holds: Iterable[bool]) -> int:
    return sum(1 << i for i, one in enumerate(holds) if one)


def _time_separates(earlier: Sequence[Change], later: Sequence[Change]) -> bool:
    """Tell whether every event of the later ones is surely later than every event of the earlier ones."""
    return all(_is_apart(one, other) for one in earlier for other in later)


def _is_apart(one: Change, other: Change) -> bool:
    return one.last + (ORDER_WINDOW if other.fetched else STAMP_JITTER) < other.first
