"""Which event is the last one: the pure decision for which the whole project exists.

(the row, new events) -> (the new row, one verdict per event). No clock, no randomness, no I/O, and the same result for
every order, split and repetition of the same events.

    rule                                                                     where
    R0  one event id counts once                                             memory.unseen
    R1  deletion and end absorb: an ended object never lives again           rules.is_terminal
    R2  the creation is first whatever its stamp: an anchor, never the last  rules.is_creation
    R3  further apart than a stamp can be late, the greater is later         rules.is_surely_earlier
    R4  inside, every event leads from the state that the one before left:   walks.Walk.unbroken_ends
        the last state is where all walks over all events end
    R5  where a link is missing, a sighting does not beat an edge            rules.edges_first
    R6  where a link is missing, the walks with the fewest breaks count      walks.Walk.least_broken_ends
    R7  in doubt, what mostly grows hints at the later                       rules.most_grown
    R8  still undecided: the same choice everywhere, and the row is unsure   rules.greatest
    R9  a row remembers its newest tie groups, until newer ones come         memory.newest_groups
    R10 a fetched state is a sighting, and not believed where events tell    order.is_outdated
        that it may have been left within the last minute
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cogento.events.names import EventId
from cogento.events.outcomes import Reason
from cogento.events.versions import ORDER_WINDOW, CurrentRow, Decision, EventVerdict, Lifecycle, Version
from cogento.ordering import rules
from cogento.ordering.evidence import NOTHING, SHORT, EventRecord, Evidence, pack, record_of, unpack
from cogento.ordering.memory import remember, unseen
from cogento.ordering.row_values import has_gaps, row_values_of
from cogento.ordering.walks import newest_window, possible_ends, possibly_last

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["ORDER_WINDOW", "CurrentRow", "Decision", "EventVerdict", "Lifecycle", "Version", "decide"]

LAG_SECONDS = 60
"""How long a replica that Stripe answers from may lag: a later answer that contradicts the events shows a change that they missed."""


def decide(current: CurrentRow | None, versions: Sequence[Version]) -> Decision:
    """Decide what a row is to show, given what it shows now and at least one event of the same object."""
    evidence = unpack(current.evidence) if current else NOTHING
    if len(versions) == 1 and is_plainly_last(versions[0], evidence):
        return _decide_by_second(current, evidence, versions[0])
    return _decide_by_walks(current, evidence, versions)


def is_plainly_last(version: Version, evidence: Evidence) -> bool:
    """Tell the common case: an event with the whole object that ends it, or that is newer than the window of all known events."""
    if version.partial or evidence.ended or has_gaps(version.columns):
        return False
    if rules.is_terminal(version) or not evidence.all_events:
        return True
    if rules.is_creation(version) or version.fetched:
        return False
    return not evidence.records or rules.is_surely_earlier(evidence.records[0], version)


def _decide_by_second(current: CurrentRow | None, evidence: Evidence, version: Version) -> Decision:
    """Take the short path: the event is plainly the last one."""
    changed = current is None or version.columns != current.columns
    if current is None:
        reason = Reason.FIRST
    else:
        reason = _why_last(version, evidence.all_events[:1]) if changed else Reason.UNCHANGED
    return Decision(
        evidence=pack(remember(evidence, (version,))),
        last_event_id=version.event_id,
        last_event_created=version.created,
        columns=version.columns,
        changed=changed,
        sure=True,
        verdicts=(EventVerdict(version.event_id, reason),),
    )


def _decide_by_walks(current: CurrentRow | None, evidence: Evidence, versions: Sequence[Version]) -> Decision:
    """Take the careful path: remember every event, walk the orders that fit, choose, and say why."""
    fresh = unseen(evidence, versions)
    stage = remember(evidence, fresh.values())
    trusted = without_outdated_answers(stage)
    ends = possible_ends(trusted)
    last = with_whole_id(possibly_last(trusted.candidates or stage.candidates))
    ended = [event for event in last if event.state in ends.states]
    doubted = not_yet_believed(stage, trusted)
    shown = choose(as_answered(ended or last, doubted))
    recent = with_whole_id(newest_window(stage.candidates))
    values = row_values_of(shown, recent, current=current, evidence=evidence, fresh=fresh)
    changed = current is None or values.columns != current.columns
    sure = bool(ended) and ends.are_sure and not shown.partial and doubted is None
    judged = _Judged(current, evidence, shown, changed=changed, sure=sure)
    return Decision(
        evidence=pack(values.remembered_in(stage)),
        last_event_id=EventId(shown.event_id),
        last_event_created=shown.created,
        columns=values.columns,
        changed=changed,
        sure=sure,
        verdicts=tuple(judged.verdicts(versions, fresh)),
        tied=len(recent) > 1,
    )


def with_whole_id(records: Sequence[EventRecord]) -> Sequence[EventRecord]:
    """Leave out events of whose id only a hash is kept.

    Seconds rule these out as the last, except in a row written by a release that assumed stamps to be less late.
    """
    return [record for record in records if not record.event_id.startswith(SHORT)]


def choose(candidates: Sequence[EventRecord]) -> EventRecord:
    """Choose the event to show: the newest one of the chosen state."""
    state = rules.greatest(rules.most_grown(rules.edges_first(candidates))).state
    return rules.greatest([event for event in candidates if event.state == state])


# R10: an answer of Stripe is a sighting with the second of Stripe's clock, and usually the latest state. But Stripe may answer
# from a replica that lags: then it shows a state that the object has left. Such an answer is remembered but not believed, and
# the row is unsure, so that Stripe is asked again. Until then it only helps to choose what the unsure row shows.


def without_outdated_answers(evidence: Evidence) -> Evidence:
    """Leave out the answers that may be outdated; returns the same evidence where none is."""
    kept = tuple(one for one in evidence.records if not (one.fetched and is_outdated(one, evidence)))
    return evidence if len(kept) == len(evidence.records) else replace(evidence, records=kept)


def is_outdated(answer: EventRecord, evidence: Evidence) -> bool:
    """Tell whether the object may have left the state of an answer before it was given, by the events of the last minute.

    Not where these surely end in that state, nor where it is one of several possible ends and no event leads from it. An event
    that is forgotten may have led from any state.
    """
    before = (event for event in evidence.records if not event.fetched and event.created <= answer.created)
    earlier = replace(evidence, records=tuple(before))
    last, dropped = rules.newest_delivered(earlier.candidates), evidence.newest_dropped
    has_forgotten = dropped is not None and _may_lag_behind(dropped, answer)
    if not has_forgotten and (last is None or not _may_lag_behind(last.created, answer)):
        return False
    ends = possible_ends(earlier)
    events = earlier.all_events
    if answer.state not in ends.states:
        return has_forgotten or any(answer.state in (event.leads_from, event.state) for event in events)
    left = {event.before for event in events if _may_lag_behind(event.created, answer)}
    return not ends.are_sure and (has_forgotten or answer.state in left)


def _may_lag_behind(second: int, answer: EventRecord) -> bool:
    return second + LAG_SECONDS >= answer.created


def not_yet_believed(evidence: Evidence, trusted: Evidence) -> EventRecord | None:
    """The answer that is newer than all that is trusted: Stripe is asked again."""
    return evidence.records[0] if evidence.records[:1] != trusted.records[:1] else None


def as_answered(candidates: Sequence[EventRecord], answer: EventRecord | None) -> Sequence[EventRecord]:
    """R10: where candidates are in doubt, an answer that is not believed yet decides which of them is shown."""
    return [event for event in candidates if answer and event.state == answer.state] or candidates


@dataclass(frozen=True, slots=True)
class _Judged:
    """What is needed to judge each event of a decision: what the row showed before and what it shows now."""

    current: CurrentRow | None
    evidence: Evidence
    shown: EventRecord
    changed: bool
    sure: bool

    def verdicts(self, versions: Iterable[Version], fresh: Mapping[str, Version]) -> Iterator[EventVerdict]:
        """One verdict per version, in their order; `fresh` are those that count, by id."""
        winner = fresh.get(self.shown.event_id)
        uncounted = dict(fresh)
        for version in versions:
            is_too_late = self.evidence.ended and not rules.is_terminal(version)
            if uncounted.pop(version.event_id, None) is not version:
                yield EventVerdict(version.event_id, Reason.DUPLICATE)
            elif version.event_id == self.shown.event_id:
                yield EventVerdict(version.event_id, self._why_shown(fresh.values()))
            elif winner is not None and not is_too_late and not self._showed_something_later(version):
                yield EventVerdict(version.event_id, Reason.SUPERSEDED, superseded_by=winner.event_id)
            elif is_too_late:
                yield EventVerdict(version.event_id, Reason.AFTER_DELETE)
            else:
                is_same = version.state == self.shown.state
                yield EventVerdict(version.event_id, Reason.UNCHANGED if is_same else Reason.STALE)

    def _why_shown(self, fresh: Iterable[Version]) -> Reason:
        if not self.changed:
            return Reason.UNCHANGED
        if not self.sure:
            return Reason.TIE_BREAK
        if self.current is None:
            return Reason.FIRST
        others = [*self.evidence.all_events, *map(record_of, fresh)]
        return _why_last(self.shown, [other for other in others if other.event_id != self.shown.event_id])

    def _showed_something_later(self, version: Version) -> bool:
        """Whether the row showed a later event before this batch."""
        last_id = self.current and self.current.last_event_id
        before = [record for record in self.evidence.records if record.event_id == last_id]
        return any(rules.is_creation(version) or rules.is_surely_earlier(version, shown) for shown in before)


def _why_last(shown: EventRecord | Version, others: Iterable[EventRecord]) -> Reason:
    """Tell whether the seconds alone made it the last event, or the states that the events show."""
    return Reason.NEWER if all(rules.is_surely_earlier(other, shown) for other in others) else Reason.FOLLOWS
