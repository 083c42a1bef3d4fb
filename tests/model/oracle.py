"""Judges a history without knowing the rules: by every total order of its events that fits the evidence.

An order fits when the creation comes first and endings last, when of two events more than the window
apart the newer comes later, and when nothing that only grows shrinks. A break is an event that does not
lead from where the one before it left; it is harmless between two parts of the history that time alone
keeps apart, and elsewhere it means that a link is missing. Shares no code with events/.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from events.versions import ORDER_WINDOW, Lifecycle, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Cost = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Opinion:
    """The states in which the best orders end, and whether the evidence determines one of them.

    `possible` are the states of all events that nothing surely puts before another: where nothing is decided, the
    best orders are guesses at which links are missing, and any of these may be the last.
    """

    ends: frozenset[bytes]
    decidable: bool
    possible: frozenset[bytes]

    def rules_out(self, state: bytes) -> bool:
        """Tell whether this state is known not to be the last."""
        return state not in (self.ends if self.decidable else self.possible)


def judge(versions: Iterable[Version]) -> Opinion:
    """Weigh all orders of the events (each id once)."""
    once = list({version.event_id: version for version in versions}.values())
    ended = [v for v in once if v.terminal]
    living = [v for v in once if v.lifecycle is not Lifecycle.CREATED]
    openings = [v.state for v in once if v.lifecycle is Lifecycle.CREATED and not ended]
    timed = sorted(ended or living, key=lambda v: v.created)
    if not timed:
        seen = frozenset(openings)
        return Opinion(seen, decidable=len(seen) == 1, possible=seen)
    start = openings[0] if openings else None
    for part, begins in _parts(timed, start):
        if _is_decided(part, begins):
            return Opinion(_best(part, begins)[1], decidable=True, possible=_all_ends(timed))
    return Opinion(_best(timed, start)[1], decidable=False, possible=_all_ends(timed))


def _parts(timed: Sequence[Version], start: bytes | None) -> Iterable[tuple[Sequence[Version], bytes | None]]:
    """Give the newest parts that time alone sets apart, shortest first, each with the state known to come before.

    A part is never judged without that state where it is known: what contradicts a part is as good as what fits it.
    """
    for i in range(len(timed) - 1, 0, -1):
        if timed[i].created - timed[i - 1].created > ORDER_WINDOW:
            yield timed[i:], _decided_end(timed[:i], start)
    yield timed, start


def _decided_end(timed: Sequence[Version], start: bytes | None) -> bytes | None:
    ends = (_best(*part)[1] for part in _parts(timed, start) if _is_decided(*part))
    return next((next(iter(end)) for end in ends), None)


def _is_decided(part: Sequence[Version], start: bytes | None) -> bool:
    (missing, _), ends = _best(part, start)
    return len(ends) == 1 and (missing == 0 or len(_all_ends(part)) == 1)


def _all_ends(part: Sequence[Version]) -> frozenset[bytes]:
    return frozenset(v.state for v in part if not any(_comes_before(v, other) for other in part))


def _comes_before(one: Version, other: Version) -> bool:
    if abs(one.created - other.created) > ORDER_WINDOW:
        return one.created < other.created
    return len(one.growing) == len(other.growing) and one.growing < other.growing


def _best(part: Sequence[Version], start: bytes | None) -> tuple[Cost, frozenset[bytes]]:
    """Find the least (missing links, harmless breaks) of all orders, and where the orders of that cost end."""

    @cache
    def best(left: frozenset[int], at: bytes | None) -> tuple[Cost, frozenset[bytes]]:
        if not left:
            assert at is not None
            return (0, 0), frozenset({at})
        harmless = _time_separates(part, left)
        found: dict[Cost, frozenset[bytes]] = {}
        for i in left:
            if any(_comes_before(part[j], part[i]) for j in left):
                continue
            (missing, harmless_breaks), ends = best(left - {i}, part[i].state)
            if at is not None and at != (part[i].before or part[i].state):
                missing, harmless_breaks = missing + (not harmless), harmless_breaks + harmless
            cost = (missing, harmless_breaks)
            found[cost] = found.get(cost, frozenset()) | ends
        return min(found.items())

    return best(frozenset(range(len(part))), start)


def _time_separates(part: Sequence[Version], left: frozenset[int]) -> bool:
    earlier = [part[i].created for i in range(len(part)) if i not in left]
    return not earlier or max(earlier) + ORDER_WINDOW < min(part[i].created for i in left)
