"""The states in which an object can have ended: every order of its events that the evidence allows.

An order may place an event only after all that are surely earlier, and each event should lead from the
state that the one before it left. Where no order does so throughout, the orders with the fewest breaks
count, and the end is in doubt. Knows nothing of columns or of how evidence is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from events import rules
from events.versions import ORDER_WINDOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from events.evidence import Evidence, Member

States = frozenset[bytes]

NO_STATES: States = frozenset()

MOST_POSITIONS = 2_000
"""Positions looked at before a tie is given up as undecidable; a tie of six needs some dozens."""


class Why(StrEnum):
    """How the ends of a history were found, as a sentence about its newest events."""

    ALIKE = "all events that can be the last show the same state"
    FOLLOWED = "every order in which each event follows from the one before ends in the same state"
    ANCHORED = "every such order that begins with the state before these events ends in the same state"
    AMBIGUOUS = "orders that fit end in different states"
    BROKEN = "no order fits: a link between these events is missing or on its way"


@dataclass(frozen=True, slots=True)
class Ends:
    """The states a history can have ended in; `is_complete` when the true one is among them."""

    states: States
    why: Why
    is_complete: bool = True

    @property
    def are_sure(self) -> bool:
        """Whether the evidence determines the last state."""
        return len(self.states) == 1 and self.is_complete


def possible_ends(evidence: Evidence) -> Ends:
    """Judge the newest cluster, by itself where that suffices, else by where those before it ended."""
    return _ends_after(clusters(evidence.members), evidence)


def newest_cluster(evidence: Evidence) -> Sequence[Member]:
    """The events that a decision is about, oldest first; a creation only while it is alone."""
    return clusters(evidence.members)[-1] if evidence.members else evidence.contenders


def states_before(evidence: Evidence) -> States:
    """The states in which the object can have been before its newest cluster; none when nothing is known."""
    return _ends_after(clusters(evidence.members)[:-1], evidence).states if evidence.members else NO_STATES


def clusters(newest_first: Sequence[Member]) -> list[list[Member]]:
    """Split the events, oldest first, wherever all later ones are surely later than all before."""
    split: list[list[Member]] = []
    for member in reversed(newest_first):
        if not split or rules.is_seconds_earlier(split[-1][-1], member):
            split.append([])
        split[-1].append(member)
    return split


def _ends_after(parts: Sequence[Sequence[Member]], evidence: Evidence) -> Ends:
    if not parts:
        return Ends(_anchor(evidence), Why.ALIKE)
    ends = _ends_of(parts[-1], parts[:-1], evidence)
    return replace(ends, is_complete=ends.is_complete and not _is_cut(parts[-1], evidence.forgotten))


def _ends_of(cluster: Sequence[Member], earlier: Sequence[Sequence[Member]], evidence: Evidence) -> Ends:
    last_states = frozenset(event.state for event in possibly_last(cluster))
    if len(last_states) == 1:
        return Ends(last_states, Why.ALIKE)
    walk = Walk.over(cluster, evidence.forgotten)
    free = walk.unbroken_ends(NO_STATES)
    if len(free) == 1:
        return Ends(free, Why.FOLLOWED)
    before = _ends_after(earlier, evidence)
    if before.states and (anchored := walk.unbroken_ends(before.states)):
        return Ends(anchored, Why.ANCHORED if len(anchored) == 1 else Why.AMBIGUOUS, before.is_complete)
    if free:
        return Ends(free, Why.AMBIGUOUS)
    return Ends(walk.least_broken_ends(before.states) or last_states, Why.BROKEN, is_complete=False)


def _is_cut(cluster: Sequence[Member], forgotten: int | None) -> bool:
    """Whether a flood forced events to be dropped that are possibly later than all of these."""
    newest = max(event.created for event in cluster)
    return forgotten is not None and forgotten + ORDER_WINDOW >= newest


def _anchor(evidence: Evidence) -> States:
    """The state that a creation says the rest began with; nothing once something was forgotten."""
    return frozenset({evidence.opening.state}) if evidence.opening else NO_STATES


def possibly_last(members: Sequence[Member]) -> Sequence[Member]:
    """The events than which none is known to be later."""
    recent = newest_window(members)
    return [one for one in recent if not any(rules.is_earlier(one, other) for other in members)] or recent


def newest_window(members: Sequence[Member]) -> Sequence[Member]:
    """The events that can come to be shown: seconds leave them possible as the last, or fetched ones aside."""
    newest = rules.newest_told(members)
    if newest is None:
        return members
    return [event for event in members if not rules.is_seconds_earlier(event, newest)]


_Position = tuple[int, bytes | None]
"""The set of events walked, as bits, and the state arrived at; None: any."""


@dataclass(frozen=True, slots=True)
class Walk:
    """The events of one cluster with, for each, the bits of those that must come before it."""

    events: Sequence[Member]
    must_precede: tuple[int, ...]
    forgotten: int | None

    @classmethod
    def over(cls, cluster: Sequence[Member], forgotten: int | None) -> Walk:
        """Prepare to walk a cluster, oldest event first."""
        return cls(cluster, tuple(_must_precede(other, cluster) for other in range(len(cluster))), forgotten)

    def unbroken_ends(self, starts: States) -> States:
        """R4: where the orders without a break end."""
        return self._ends(starts, most_breaks=0)

    def least_broken_ends(self, starts: States) -> States:
        """R6: links are missing or on their way; where the orders with the fewest breaks end."""
        return self._ends(starts, most_breaks=len(self.events))

    def _ends(self, starts: States, *, most_breaks: int) -> States:
        """Where the orders with the fewest breaks end; nowhere when there is none, or too many to look at."""
        everything = (1 << len(self.events)) - 1
        frontier: set[_Position] = {(0, start) for start in starts} or {(0, None)}
        seen: set[_Position] = set()
        for _ in range(most_breaks + 1):
            reached = self._reach(frontier, seen)
            if len(seen) > MOST_POSITIONS:
                return NO_STATES
            if ends := frozenset(state for walked, state in reached if walked == everything and state):
                return ends
            frontier = {step for walked, _ in reached for step in self._steps(walked, None)}
        return NO_STATES

    def _reach(self, frontier: set[_Position], seen: set[_Position]) -> set[_Position]:
        """All new positions that can be reached without a break; they count as seen from now on."""
        reached: set[_Position] = set()
        waiting = list(frontier)
        while waiting and len(seen) <= MOST_POSITIONS:
            position = waiting.pop()
            if position not in seen:
                seen.add(position)
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


def _must_precede(other: int, cluster: Sequence[Member]) -> int:
    """The bits of the events that come before one; of twins the first, as their order makes no difference."""
    event = cluster[other]
    return sum(
        1 << i
        for i, one in enumerate(cluster)
        if rules.is_earlier(one, event) or (i < other and _says(one) == _says(event))
    )


def _says(event: Member) -> tuple[int, bytes, bytes, tuple[int, ...]]:
    return event.created, event.leads_from, event.state, event.growing
