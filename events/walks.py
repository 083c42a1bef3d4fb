"""The states in which an object can have ended: every order of its events that the evidence allows.

An order may place an event only after all that are surely earlier, and each event should lead from the
state that the one before it left. Where no order does so throughout, the orders with the fewest breaks
count, and the end is in doubt. Knows nothing of columns or of how evidence is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from events.versions import ORDER_WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from events.evidence import Evidence, Member

States = frozenset[bytes]

NO_STATES: States = frozenset()

MOST_STEPS = 5_000
"""Positions looked at before a tie is given up as undecidable; a tie of six needs some dozens."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The states a history can have ended in; `sure` when nothing is missing and there is one."""

    states: States
    sure: bool


def possible_ends(evidence: Evidence) -> Ends:
    """Walk the clusters of remembered events from the oldest to the newest."""
    anchor = evidence.opening if evidence.forgotten is None else None
    ends = Ends(frozenset({anchor.state}) if anchor else NO_STATES, sure=True)
    for cluster in clusters(evidence.members):
        ends = cluster_ends(cluster, ends, evidence.forgotten)
    return ends


def clusters(newest_first: Iterable[Member]) -> list[list[Member]]:
    """Split the events, oldest first, wherever all later ones are surely later than all before."""
    split: list[list[Member]] = []
    for member in sorted(newest_first, key=lambda m: (m.created, m.event_id)):
        if not split or is_surely_earlier(split[-1][-1], member):
            split.append([])
        split[-1].append(member)
    return split


def cluster_ends(cluster: Sequence[Member], before: Ends, forgotten: int | None) -> Ends:
    """Judge one cluster, given the states in which it can have begun."""
    last_states = frozenset(member.state for member in possibly_last(cluster))
    if len(last_states) == 1:
        return Ends(last_states, sure=True)
    free = unbroken_ends(cluster, NO_STATES, forgotten)
    if len(free) == 1:
        return Ends(free, sure=True)
    anchored = unbroken_ends(cluster, before.states, forgotten) if before.states else NO_STATES
    if anchored:
        return Ends(anchored, sure=before.sure and len(anchored) == 1)
    return Ends(free or least_broken_ends(cluster, before.states, forgotten) or last_states, sure=False)


def is_surely_earlier(one: Member, other: Member) -> bool:
    """R3: more than the window apart, the smaller second is earlier."""
    return one.created + ORDER_WINDOW < other.created


def has_grown(one: Member, other: Member) -> bool:
    """R7: values that only grow say that `one` is earlier, where both carry the same ones."""
    return (
        len(one.growing) == len(other.growing)
        and one.growing != other.growing
        and all(a <= b for a, b in zip(one.growing, other.growing, strict=True))
    )


def is_earlier(one: Member, other: Member) -> bool:
    """R3 first, and inside the window R7."""
    return is_surely_earlier(one, other) or (not is_surely_earlier(other, one) and has_grown(one, other))


def possibly_last(cluster: Sequence[Member]) -> list[Member]:
    """The events than which none is surely later."""
    newest = max(member.created for member in cluster)
    return [member for member in cluster if member.created + ORDER_WINDOW >= newest]


def unbroken_ends(cluster: Sequence[Member], starts: States, forgotten: int | None) -> States:
    """R4: where every order without a break ends; among several ends R7 may tell."""
    ends = _Walk.over(cluster, is_surely_earlier, forgotten).ends(starts, most_breaks=0)
    if len(ends) > 1:
        return _Walk.over(cluster, is_earlier, forgotten).ends(starts, most_breaks=0) or ends
    return ends


def least_broken_ends(cluster: Sequence[Member], starts: States, forgotten: int | None) -> States:
    """R6: links are missing or on their way; where the orders with the fewest breaks end."""
    return _Walk.over(cluster, is_surely_earlier, forgotten).ends(starts, most_breaks=len(cluster))


_Position = tuple[int, bytes | None]
"""The set of events walked, as bits, and the state arrived at; None: any."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """The events of one cluster with, for each, the bits of those that must come before it."""

    events: Sequence[Member]
    must_precede: tuple[int, ...]
    forgotten: int | None

    @classmethod
    def over(
        cls, cluster: Sequence[Member], earlier: Callable[[Member, Member], bool], forgotten: int | None
    ) -> _Walk:
        bits = tuple(sum(1 << i for i, one in enumerate(cluster) if earlier(one, other)) for other in cluster)
        return cls(cluster, bits, forgotten)

    def ends(self, starts: States, *, most_breaks: int) -> States:
        """The states in which the orders with the fewest breaks end; none when all need more breaks."""
        everything = (1 << len(self.events)) - 1
        frontier: set[_Position] = {(0, start) for start in starts} or {(0, None)}
        seen: set[_Position] = set()
        for _ in range(most_breaks + 1):
            seen |= (reached := self._reach(frontier, seen))
            ends = frozenset(state for walked, state in reached if walked == everything and state)
            if ends or len(seen) > MOST_STEPS:
                return ends
            frontier = {step for walked, _ in reached for step in self._steps(walked, None)} - seen
        return NO_STATES

    def _reach(self, frontier: set[_Position], seen: set[_Position]) -> set[_Position]:
        """All positions that can be reached without a break."""
        reached: set[_Position] = set()
        waiting = [position for position in frontier if position not in seen]
        while waiting and len(reached) <= MOST_STEPS:
            position = waiting.pop()
            if position not in reached and position not in seen:
                reached.add(position)
                walked, state = position
                waiting.extend(self._steps(walked, None if self._may_have_forgotten(walked) else state))
        return reached

    def _steps(self, walked: int, state: bytes | None) -> list[_Position]:
        """One event on from a state, or from any state when it is None."""
        return [
            (walked | 1 << i, event.state)
            for i, event in enumerate(self.events)
            if not walked >> i & 1
            and not self.must_precede[i] & ~walked
            and (state is None or event.leads_from == state)
        ]

    def _may_have_forgotten(self, walked: int) -> bool:
        """Whether a dropped event may follow the ones walked: then the next may lead from any state."""
        if self.forgotten is None or not walked:
            return False
        newest = max(event.created for i, event in enumerate(self.events) if walked >> i & 1)
        return newest <= self.forgotten + ORDER_WINDOW
