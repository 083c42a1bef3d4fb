"""Why a row shows what it shows: the tie that was decided, for people.

Reads what a row remembers; decides nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cogento.events.names import EventId
from cogento.ordering import rules
from cogento.ordering.evidence import unpack
from cogento.ordering.order import as_answered, not_yet_believed, without_outdated_answers
from cogento.ordering.walks import States, Why, newest_cluster, possible_ends, possibly_last, states_before

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.ordering.evidence import EventRecord


class Choice(StrEnum):
    """Why the shown event was chosen among those that may be the last; the end of a sentence."""

    ONLY_STATE = "the state it shows is the only one in which they can have ended"
    ANSWERED = "of these states Stripe's latest answer shows this one, and is believed once it is a minute later than the events (R10)"
    EDGE = "of these states only the one it shows was reached by a change; the others were only seen (R5)"
    GROWN = "what mostly grows is greatest where its state is shown (R7)"
    NEWEST_SECOND = "its state is that of the greatest second (R8)"
    GREATEST_ID = "the seconds are equal, and its state is that of the greatest event id: the same choice everywhere (R8)"


@dataclass(frozen=True, slots=True)
class TiedEvent:
    """One event of a tie; states are hashes in hexadecimal, and a sighting has no state that it leads from.

    The id is short (`cogento.ordering.evidence.short_id`) where seconds rule the event out as the last.
    """

    event_id: EventId
    created: int
    leads_from: str | None
    leads_to: str
    may_be_last: bool

    @property
    def is_edge(self) -> bool:
        """Whether it says which state it leads from (an edge), or only which state it saw (a sighting)."""
        return self.leads_from is not None


@dataclass(frozen=True, slots=True)
class Tie:
    """The newest events of an object that seconds cannot order, oldest first.

    `before` are the states in which the object may have been before them, `ends` those in which they may have left it; `why`
    says how the ends were found, `choice` why the shown event was taken from those that may be the last (None: nothing is
    known). `sure` is false as well where the shown one is `partial`, not carrying the whole object, where Stripe's latest answer
    is `doubted` because of the events, and where later events may have been dropped or links are missing.
    """

    events: tuple[TiedEvent, ...]
    before: frozenset[str]
    ends: frozenset[str]
    why: Why
    choice: Choice | None
    partial: bool
    doubted: bool
    sure: bool


def tie_of(stored: bytes, shown: EventId) -> Tie:
    """Describe the newest tie in the evidence of a row that shows the event `shown`; a single event counts as a tie, too.

    Raises OtherReleaseError for evidence that another release wrote.
    """
    whole = unpack(stored)
    evidence = without_outdated_answers(whole)
    doubted = not_yet_believed(whole, evidence)
    ends = possible_ends(evidence)
    tied = newest_cluster(evidence)
    last = possibly_last(tied) if tied else []
    is_partial = any(event.partial for event in last if event.event_id == shown)
    return Tie(
        events=tuple(_described(event, may_be_last=event in last) for event in tied),
        before=_names(states_before(evidence)),
        ends=_names(ends.states),
        why=ends.why,
        choice=_choice([event for event in last if event.state in ends.states], doubted),
        partial=is_partial,
        doubted=doubted is not None,
        sure=ends.are_sure and not is_partial and doubted is None,
    )


def _choice(candidates: Sequence[EventRecord], doubted: EventRecord | None) -> Choice | None:
    """Retrace the choice in `cogento.ordering.order`, and name the first rule that left one state."""
    if not candidates:
        return None
    if _is_one_state(candidates):
        return Choice.ONLY_STATE
    candidates = as_answered(candidates, doubted)
    if _is_one_state(candidates):
        return Choice.ANSWERED
    edges = rules.edges_first(candidates)
    if _is_one_state(edges):
        return Choice.EDGE
    grown = rules.most_grown(edges)
    if _is_one_state(grown):
        return Choice.GROWN
    newest = max(event.created for event in grown)
    newest_edges = [event for event in grown if event.created == newest]
    return Choice.NEWEST_SECOND if _is_one_state(newest_edges) else Choice.GREATEST_ID


def _is_one_state(events: Sequence[EventRecord]) -> bool:
    return len({event.state for event in events}) == 1


def _described(event: EventRecord, *, may_be_last: bool) -> TiedEvent:
    return TiedEvent(
        event_id=EventId(event.event_id),
        created=event.created,
        leads_from=None if event.before is None else event.before.hex(),
        leads_to=event.state.hex(),
        may_be_last=may_be_last,
    )


def _names(states: States) -> frozenset[str]:
    return frozenset(state.hex() for state in states)
