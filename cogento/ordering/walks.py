"""The states in which an object can have ended: every order of its events that the evidence allows.

An order may place an event only after all that are surely earlier, and each event should lead from the
state that the one before it left. The end is sure where all such orders share it and one of them agrees with the seconds as
stamped. Where no order is unbroken, the orders with the fewest breaks count, and the end is in doubt. Knows nothing of columns
or of how evidence is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from cogento.events.versions import ORDER_WINDOW, STAMP_JITTER
from cogento.ordering import rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cogento.ordering.evidence import EventRecord, Evidence

    Precedes = Callable[[EventRecord, EventRecord], bool]

States = frozenset[bytes]

NO_STATES: States = frozenset()

MAX_POSITIONS = 10_000
"""Positions searched before events count as undecidable: 25 events that follow each other within half a minute need some dozens."""

MAX_GUESSES = 2_000
"""The same limit where links are missing; only the choice that an unsure row shows depends on it."""


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
    """The states in which a history can have ended; `is_complete` says that the true one is among them."""

    states: States
    why: Why
    is_complete: bool = True

    @property
    def are_sure(self) -> bool:
        """Whether the evidence determines the last state."""
        return len(self.states) == 1 and self.is_complete


def possible_ends(evidence: Evidence) -> Ends:
    """Find the ends of the newest cluster, from its events alone where these suffice, else from the ends of the clusters before."""
    return _ends_after(clusters(evidence.records), evidence)


def newest_cluster(evidence: Evidence) -> Sequence[EventRecord]:
    """The events that a decision is about, oldest first; a creation only while it is alone."""
    return clusters(evidence.records)[-1] if evidence.records else evidence.candidates


def states_before(evidence: Evidence) -> States:
    """The states in which the object can have been before its newest cluster; none when nothing is known."""
    return _ends_after(clusters(evidence.records)[:-1], evidence).states if evidence.records else NO_STATES


def clusters(newest_first: Sequence[EventRecord]) -> list[list[EventRecord]]:
    """Split the events, oldest first, wherever all later ones are surely later than all before."""
    split: list[list[EventRecord]] = []
    later: list[EventRecord] = []
    for record in newest_first:
        if not split or all(rules.is_surely_earlier(record, other) for other in later):
            split.append([])
        split[-1].append(record)
        # Keep the earliest delivered event and the earliest answer seen so far: what is before these two is before all later ones.
        later = [record, *(other for other in later if other.fetched is not record.fetched)]
    return [part[::-1] for part in reversed(split)]


def _ends_after(parts: Sequence[Sequence[EventRecord]], evidence: Evidence) -> Ends:
    if not parts:
        return Ends(_anchor(evidence), Why.ALIKE)
    ends = _ends_of(parts[-1], parts[:-1], evidence)
    # In a flood, events may have been dropped that are later than all of these.
    newest, dropped = max(event.created for event in parts[-1]), evidence.newest_dropped
    is_cut = dropped is not None and dropped + STAMP_JITTER >= newest
    return replace(ends, is_complete=ends.is_complete and not is_cut)


def _ends_of(
    cluster: Sequence[EventRecord], earlier: Sequence[Sequence[EventRecord]], evidence: Evidence
) -> Ends:
    last_states = frozenset(event.state for event in possibly_last(cluster))
    if len(last_states) == 1:
        return Ends(last_states, Why.ALIKE)
    walk = Walk.over(cluster, rules.is_surely_earlier, _reach(evidence.newest_dropped, STAMP_JITTER))
    as_read = walk if _is_one_window(cluster, evidence.newest_dropped) else _as_read(cluster, evidence)
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


def _as_read(cluster: Sequence[EventRecord], evidence: Evidence) -> Walk:
    return Walk.over(cluster, rules.reads_earlier, _reach(evidence.newest_dropped, ORDER_WINDOW))


def _states_as_read(parts: Sequence[Sequence[EventRecord]], evidence: Evidence) -> States:
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


def _is_one_window(cluster: Sequence[EventRecord], newest_dropped: int | None) -> bool:
    """Whether stamps order none of these events, taken as they are or as late as they may be, and all are remembered."""
    oldest, newest = cluster[0].created, cluster[-1].created
    return newest - oldest <= ORDER_WINDOW and (
        newest_dropped is None or newest_dropped + STAMP_JITTER < oldest
    )


def _reach(newest_dropped: int | None, seconds: int) -> int | None:
    """The second up to which a remembered event may be earlier than a dropped one; None when none was dropped."""
    return None if newest_dropped is None else newest_dropped + seconds


def _anchor(evidence: Evidence) -> States:
    """The state in which the other events began, by the creation; none once an event was dropped."""
    return frozenset({evidence.creation.state}) if evidence.creation else NO_STATES


def possibly_last(records: Sequence[EventRecord]) -> Sequence[EventRecord]:
    """The events than which none is known to be later."""
    recent = newest_window(records)
    earlier = [one for one in recent if any(rules.is_surely_earlier(one, other) for other in records)]
    if not earlier:
        return recent
    outdated = [one for one in recent if any(rules.is_same_change(one, other) for other in earlier)]
    return [one for one in recent if one not in earlier and one not in outdated] or recent


def newest_window(records: Sequence[EventRecord]) -> Sequence[EventRecord]:
    """The events that can be shown: by their seconds they may be the last, or the last of those not fetched."""
    newest = rules.newest_delivered(records)
    if newest is None:
        return records
    return [event for event in records if not rules.is_surely_earlier(event, newest)]


_Position = tuple[int, bytes]
"""The events that are left, as bits, and the state that the last of them must have left."""


@dataclass(frozen=True, slots=True)
class Walk:
    """The changes and sightings of one cluster and, for each, a bit set of those that must come after it."""

    events: Sequence[EventRecord]
    must_follow: tuple[int, ...]
    dropped_until: int | None

    @classmethod
    def over(cls, cluster: Sequence[EventRecord], precedes: Precedes, dropped_until: int | None) -> Walk:
        """Prepare to walk a cluster, oldest event first; a change that several events describe is walked once."""
        changes: list[list[EventRecord]] = []
        for event in cluster:
            same_change = (
                [one for one in changes if rules.is_same_change(event, one[0])] if event.request else []
            )
            if same_change:
                same_change[0].append(event)
            else:
                changes.append([event])
        must_follow = tuple(_must_follow(place, changes, precedes) for place in range(len(changes)))
        return cls([one[0] for one in changes], must_follow, dropped_until)

    def unbroken_ends(self, starts: States) -> States:
        """R4: where the orders without a break end."""
        return self._ends(starts, max_breaks=0, max_positions=MAX_POSITIONS)

    def least_broken_ends(self, starts: States) -> States:
        """R6: links are missing or on their way; where the orders with the fewest breaks end."""
        return self._ends(starts, max_breaks=len(self.events), max_positions=MAX_GUESSES)

    def _ends(self, starts: States, *, max_breaks: int, max_positions: int) -> States:
        """Where the orders with the fewest breaks end; empty when there is none, or too many positions to search."""
        search = _Search(self, starts, max_positions)
        everything = (1 << len(self.events)) - 1
        try:
            for breaks in range(max_breaks + 1):
                if ends := frozenset(search.possible_last(everything, breaks)):
                    return ends
        except _SearchLimitError:
            pass
        return NO_STATES


class _SearchLimitError(Exception):
    """More positions than may be looked at."""


class _Search:
    """Walks back from each possible end: a link names the state before, and all dropped events lie at the beginning."""

    def __init__(self, walk: Walk, starts: States, max_positions: int) -> None:
        self._walk = walk
        self._starts = starts
        self._left = max_positions
        self._breaks_that_failed: dict[_Position, int] = {}

    def possible_last(self, events: int, breaks: int) -> Iterator[bytes]:
        """Return the states in which these events (a bit set) can end, with at most `breaks` breaks."""
        found: set[bytes] = set()
        for i, event in self._unfollowed(events):
            if event.state not in found and self._can_begin(events ^ 1 << i, event.leads_from, breaks):
                found.add(event.state)
                yield event.state

    def _can_begin(self, events: int, at: bytes, breaks: int) -> bool:
        """Whether some order of these events, as the first ones, leads to the state `at` with at most `breaks` breaks."""
        if self._breaks_that_failed.get((events, at), -1) >= breaks:
            return False
        self._left -= 1
        if self._left < 0:
            raise _SearchLimitError
        can = self._leads(events, at, breaks)
        if not can:
            self._breaks_that_failed[events, at] = breaks
        return can

    def _leads(self, events: int, at: bytes, breaks: int) -> bool:
        if not events:
            return breaks > 0 or not self._starts or at in self._starts
        if self._may_have_forgotten(events):
            return breaks > 0 or not self._starts or self._can_follow_the_start(events)
        return any(
            self._can_begin(events ^ 1 << i, event.leads_from, breaks - (event.state != at))
            for i, event in self._unfollowed(events)
            if breaks or event.state == at
        )

    def _may_have_forgotten(self, events: int) -> bool:
        """Whether a dropped event may follow each of these: then any order of them will do, and any state may come next."""
        until = self._walk.dropped_until
        return until is not None and all(
            event.created <= until for i, event in enumerate(self._walk.events) if events >> i & 1
        )

    def _can_follow_the_start(self, events: int) -> bool:
        followers = self._walk.must_follow
        return any(
            event.leads_from in self._starts
            and not any(followers[j] >> i & 1 for j in range(len(followers)) if events >> j & 1)
            for i, event in enumerate(self._walk.events)
            if events >> i & 1
        )

    def _unfollowed(self, events: int) -> Iterator[tuple[int, EventRecord]]:
        """The events of a bit set that none of its others must follow, newest first."""
        for i in reversed(range(len(self._walk.events))):
            if events >> i & 1 and not self._walk.must_follow[i] & events:
                yield i, self._walk.events[i]


def _must_follow(one: int, changes: Sequence[Sequence[EventRecord]], precedes: Precedes) -> int:
    """A bit set of the changes that come after one; identical changes keep their order, as another would make no difference."""
    return sum(
        1 << i
        for i, other in enumerate(changes)
        if (i > one and _says(other) == _says(changes[one]))
        or (i != one and any(precedes(earlier, later) for earlier in changes[one] for later in other))
    )


def _says(change: Sequence[EventRecord]) -> tuple[tuple[int, ...], bytes, bytes, tuple[int, ...]]:
    """What a change says, with the seconds of all its events: a further event with another second matters for the order."""
    event = change[0]
    return tuple(sorted(one.created for one in change)), event.leads_from, event.state, event.growing
