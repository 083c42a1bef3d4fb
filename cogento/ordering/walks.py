"""The states in which an object can have ended: every order of its events that the evidence allows.

An order may place an event only after all that are surely earlier, and each event should lead from the
state that the one before it left. The end is sure where all such orders share it and one of them keeps to
the seconds as they read. Where no order leads throughout, the orders with the fewest breaks count, and the
end is in doubt. Knows nothing of columns or of how evidence is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from cogento.events.versions import ORDER_WINDOW, STAMP_JITTER
from cogento.ordering import rules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogento.ordering.evidence import Evidence, Member

    Precedes = Callable[[Member, Member], bool]

States = frozenset[bytes]

NO_STATES: States = frozenset()

MOST_POSITIONS = 10_000
"""Positions looked at before events are given up as undecidable: a tie of six needs some dozens, and 24 that follow
each other within half a minute needed 2,700."""

MOST_GUESSES = 2_000
"""The same where links are missing, and only what is shown in doubt depends on it."""


class Why(StrEnum):
    """How the ends of a history were found, as a sentence about its newest events."""

    ALIKE = "all events that can be the last show the same state"
    FOLLOWED = "every order in which each event follows from the one before ends in the same state"
    ANCHORED = "every such order that begins with the state before these events ends in the same state"
    CONTRADICTED = "every order in which each event follows from the one before contradicts the seconds"
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
    later: list[Member] = []
    for member in newest_first:
        if not split or all(rules.is_surely_earlier(member, other) for other in later):
            split.append([])
        split[-1].append(member)
        later = _earliest(member, later)
    return [part[::-1] for part in reversed(split)]


def _earliest(member: Member, later: Sequence[Member]) -> list[Member]:
    """Of a member and what is later, the earliest told event and the earliest answer: before both is before all."""
    return [member, *(other for other in later if other.fetched is not member.fetched)]


def _ends_after(parts: Sequence[Sequence[Member]], evidence: Evidence) -> Ends:
    if not parts:
        return Ends(_anchor(evidence), Why.ALIKE)
    ends = _ends_of(parts[-1], parts[:-1], evidence)
    return replace(ends, is_complete=ends.is_complete and not _is_cut(parts[-1], evidence.forgotten))


def _ends_of(cluster: Sequence[Member], earlier: Sequence[Sequence[Member]], evidence: Evidence) -> Ends:
    last_states = frozenset(event.state for event in possibly_last(cluster))
    if len(last_states) == 1:
        return Ends(last_states, Why.ALIKE)
    walk = Walk.over(cluster, rules.is_surely_earlier, _reach(evidence.forgotten, STAMP_JITTER))
    as_read = walk if _is_one_window(cluster, evidence.forgotten) else _as_read(cluster, evidence)
    free = walk.unbroken_ends(NO_STATES)
    if len(free) == 1 and as_read.unbroken_ends(NO_STATES):
        return Ends(free, Why.FOLLOWED)
    before = _ends_after(earlier, evidence)
    if before.states and (anchored := walk.unbroken_ends(before.states)):
        read_before = before.states if len(before.states) == 1 else _states_as_read(earlier, evidence)
        if not (read_before and as_read.unbroken_ends(read_before)):
            return Ends(anchored, Why.CONTRADICTED, is_complete=False)
        return Ends(anchored, Why.ANCHORED if len(anchored) == 1 else Why.AMBIGUOUS, before.is_complete)
    if free:
        is_one = len(free) == 1
        return Ends(free, Why.CONTRADICTED if is_one else Why.AMBIGUOUS, is_complete=not is_one)
    probably = Walk.over(cluster, rules.is_probably_earlier, as_read.dropped_until)
    return Ends(probably.least_broken_ends(before.states) or last_states, Why.BROKEN, is_complete=False)


def _as_read(cluster: Sequence[Member], evidence: Evidence) -> Walk:
    return Walk.over(cluster, rules.reads_earlier, _reach(evidence.forgotten, ORDER_WINDOW))


def _states_as_read(parts: Sequence[Sequence[Member]], evidence: Evidence) -> States:
    """The states in which these parts can have ended if the stamps are right; none where links contradict that."""
    if not parts:
        return _anchor(evidence)
    last_states = frozenset(event.state for event in possibly_last(parts[-1]))
    if len(last_states) == 1:
        return last_states
    walk = _as_read(parts[-1], evidence)
    free = walk.unbroken_ends(NO_STATES)
    before = _states_as_read(parts[:-1], evidence) if len(free) > 1 else NO_STATES
    return (walk.unbroken_ends(before) if before else NO_STATES) or free


def _is_one_window(cluster: Sequence[Member], forgotten: int | None) -> bool:
    """Whether stamps order none of these, read as they are or as late as they can be, and all are remembered."""
    oldest, newest = cluster[0].created, cluster[-1].created
    return newest - oldest <= ORDER_WINDOW and (forgotten is None or forgotten + STAMP_JITTER < oldest)


def _reach(forgotten: int | None, seconds: int) -> int | None:
    """Up to which second a forgotten event can have happened after one that is remembered."""
    return None if forgotten is None else forgotten + seconds


def _is_cut(cluster: Sequence[Member], forgotten: int | None) -> bool:
    """Whether a flood forced events to be dropped that are possibly later than all of these."""
    newest = max(event.created for event in cluster)
    return forgotten is not None and forgotten + STAMP_JITTER >= newest


def _anchor(evidence: Evidence) -> States:
    """The state that a creation says the rest began with; nothing once something was forgotten."""
    return frozenset({evidence.opening.state}) if evidence.opening else NO_STATES


def possibly_last(members: Sequence[Member]) -> Sequence[Member]:
    """The events than which none is known to be later."""
    recent = newest_window(members)
    earlier = [one for one in recent if any(rules.is_surely_earlier(one, other) for other in members)]
    if not earlier:
        return recent
    outdated = [one for one in recent if any(rules.tells_the_same_change(one, other) for other in earlier)]
    return [one for one in recent if one not in earlier and one not in outdated] or recent


def newest_window(members: Sequence[Member]) -> Sequence[Member]:
    """The events that can come to be shown: seconds leave them possible as the last, or fetched ones aside."""
    newest = rules.newest_told(members)
    if newest is None:
        return members
    return [event for event in members if not rules.is_surely_earlier(event, newest)]


_Position = tuple[int, bytes | None]
"""The set of events walked, as bits, and the state arrived at; None: any."""


@dataclass(frozen=True, slots=True)
class Walk:
    """The changes and sightings of one cluster with, for each, the bits of those that must come before it."""

    events: Sequence[Member]
    must_precede: tuple[int, ...]
    dropped_until: int | None

    @classmethod
    def over(cls, cluster: Sequence[Member], precedes: Precedes, dropped_until: int | None) -> Walk:
        """Prepare to walk a cluster, oldest event first; a change that several events tell of is walked once."""
        changes: list[list[Member]] = []
        for event in cluster:
            told = (
                [one for one in changes if rules.tells_the_same_change(event, one[0])]
                if event.request
                else []
            )
            if told:
                told[0].append(event)
            else:
                changes.append([event])
        places = range(len(changes))
        must_precede = tuple(_must_precede(other, changes, precedes) for other in places)
        return cls([one[0] for one in changes], must_precede, dropped_until)

    def unbroken_ends(self, starts: States) -> States:
        """R4: where the orders without a break end."""
        return self._ends(starts, most_breaks=0, most_positions=MOST_POSITIONS)

    def least_broken_ends(self, starts: States) -> States:
        """R6: links are missing or on their way; where the orders with the fewest breaks end."""
        return self._ends(starts, most_breaks=len(self.events), most_positions=MOST_GUESSES)

    def _ends(self, starts: States, *, most_breaks: int, most_positions: int) -> States:
        """Where the orders with the fewest breaks end; nowhere when there is none, or too many to look at."""
        everything = (1 << len(self.events)) - 1
        frontier: set[_Position] = {(0, start) for start in starts} or {(0, None)}
        seen: set[_Position] = set()
        for _ in range(most_breaks + 1):
            reached = self._reach(frontier, seen, most_positions)
            if len(seen) > most_positions:
                return NO_STATES
            if ends := frozenset(state for walked, state in reached if walked == everything and state):
                return ends
            frontier = {step for walked, _ in reached for step in self._steps(walked, None)}
        return NO_STATES

    def _reach(self, frontier: set[_Position], seen: set[_Position], most_positions: int) -> set[_Position]:
        """All new positions that can be reached without a break; they count as seen from now on."""
        reached: set[_Position] = set()
        waiting = list(frontier)
        while waiting and len(seen) <= most_positions:
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
        if self.dropped_until is None or not walked:
            return False
        newest = max(event.created for i, event in enumerate(self.events) if walked >> i & 1)
        return newest <= self.dropped_until


def _must_precede(other: int, changes: Sequence[Sequence[Member]], precedes: Precedes) -> int:
    """The bits of the changes that come before one; of those that say the same the first: order makes no difference."""
    return sum(
        1 << i
        for i, one in enumerate(changes)
        if (i < other and _says(one[0]) == _says(changes[other][0]))
        or (i != other and any(precedes(earlier, later) for earlier in one for later in changes[other]))
    )


def _says(event: Member) -> tuple[int, bytes, bytes, tuple[int, ...]]:
    return event.created, event.leads_from, event.state, event.growing
