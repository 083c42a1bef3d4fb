"""Why a row shows what it shows: the tie that was decided, for people.

Reads what a row remembers; decides nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from events.evidence import unpack
from events.names import EventId
from events.walks import States, Why, newest_cluster, possible_ends, possibly_last, states_before

if TYPE_CHECKING:
    from events.evidence import Member
    from events.versions import Known


@dataclass(frozen=True, slots=True)
class TiedEvent:
    """One event of a tie; states are hashes in hex, and a sighting leads from nowhere.

    The id is short (`events.evidence.short_id`) where seconds rule the event out as the last.
    """

    event_id: EventId
    created: int
    leads_from: str | None
    leads_to: str
    may_be_last: bool


@dataclass(frozen=True, slots=True)
class Tie:
    """The newest events of an object that seconds cannot order, oldest first.

    `before` are the states in which the object can have been before them, `ends` those in which they can
    have left it; `why` says how these were found. `sure` is false as well where an event that is possibly
    the last does not carry the whole object.
    """

    events: tuple[TiedEvent, ...]
    before: frozenset[str]
    ends: frozenset[str]
    why: Why
    sure: bool


def tie_of(known: Known) -> Tie:
    """Describe the newest tie of what a row knows; a lone event makes one too."""
    evidence = unpack(known.evidence)
    ends = possible_ends(evidence)
    tied = newest_cluster(evidence)
    last = possibly_last(tied) if tied else []
    is_partial = any(event.partial for event in last if event.event_id == known.shown)
    return Tie(
        events=tuple(_described(event, may_be_last=event in last) for event in tied),
        before=_names(states_before(evidence)),
        ends=_names(ends.states),
        why=ends.why,
        sure=ends.are_sure and not is_partial,
    )


def _described(event: Member, *, may_be_last: bool) -> TiedEvent:
    return TiedEvent(
        event_id=EventId(event.event_id),
        created=event.created,
        leads_from=None if event.before is None else event.before.hex(),
        leads_to=event.state.hex(),
        may_be_last=may_be_last,
    )


def _names(states: States) -> frozenset[str]:
    return frozenset(state.hex() for state in states)
