"""Which event is the last one: the pure decision that the whole project carries events to.

(what the row knows, new events) -> (what the row shall know, one verdict per event). No clock, no
randomness, no I/O, and the same result for every order, split and repetition of the same events.

    rule                                                                     where
    R0  one event id counts once                                             evidence.unseen
    R1  deletion and end absorb: an ended object never lives again           rules.ends_life
    R2  the creation is first whatever its stamp: an anchor, never the last  rules.begins_life
    R3  further apart than a stamp can be late, the greater is later         rules.is_surely_earlier
    R4  inside, every event leads from the state that the one before left:   walks.Walk.unbroken_ends
        the last state is where all walks over all events end
    R5  where a link is missing, a sighting does not beat an edge            rules.edges_first
    R6  where a link is missing, the walks with the fewest breaks count      walks.Walk.least_broken_ends
    R7  in doubt, what mostly grows hints at the later                       rules.most_grown
    R8  still undecided: the same choice everywhere, and the row is unsure   rules.greatest
    R9  a row remembers its newest tie groups, until newer ones come         evidence.newest_groups
    R10 a fetched state is a sighting, and outdated where the events know    fetched.is_outdated
        that it was left
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.events.names import EventId
from cogento.events.outcomes import Reason
from cogento.events.versions import ORDER_WINDOW, Decision, Known, Lifecycle, Verdict, Version
from cogento.ordering import rules
from cogento.ordering.evidence import NOTHING, SHORT, Evidence, Member, pack, remember, unpack, unseen
from cogento.ordering.fetched import believed
from cogento.ordering.snapshots import has_gaps, snapshot_of
from cogento.ordering.verdicts import Judged, reason_to_show
from cogento.ordering.walks import newest_window, possible_ends, possibly_last

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ORDER_WINDOW", "Decision", "Known", "Lifecycle", "Verdict", "Version", "decide"]


def decide(known: Known | None, versions: Sequence[Version]) -> Decision:
    """Decide what a row shall show, given what it knows and at least one event of the same object."""
    evidence = unpack(known.evidence) if known else NOTHING
    if len(versions) == 1 and is_plainly_last(versions[0], evidence):
        return _follow(known, evidence, versions[0])
    return _weigh(known, evidence, versions)


def is_plainly_last(version: Version, evidence: Evidence) -> bool:
    """Tell the common case: a whole event that ends the object, or is newer than the window of all known."""
    if version.partial or evidence.ended or has_gaps(version.columns):
        return False
    if rules.ends_life(version) or not evidence.everyone:
        return True
    if rules.begins_life(version) or version.fetched:
        return False
    return not evidence.members or rules.is_surely_earlier(evidence.members[0], version)


def _follow(known: Known | None, evidence: Evidence, version: Version) -> Decision:
    """Take the short path: nothing needs to be weighed."""
    stage = remember(evidence, (version,))
    changed = known is None or version.columns != known.columns
    return Decision(
        evidence=pack(stage),
        shown=version.event_id,
        shown_created=version.created,
        columns=version.columns,
        changed=changed,
        sure=True,
        verdicts=(Verdict(version.event_id, _why(known, evidence, version, changed=changed)),),
    )


def _why(known: Known | None, evidence: Evidence, version: Version, *, changed: bool) -> Reason:
    if known is None:
        return Reason.FIRST
    return reason_to_show(version, evidence.everyone[:1]) if changed else Reason.UNCHANGED


def _weigh(known: Known | None, evidence: Evidence, versions: Sequence[Version]) -> Decision:
    """Take the careful path: remember every event, walk the orders that fit, choose, and say why."""
    fresh = unseen(evidence, versions)
    stage = remember(evidence, fresh.values())
    trusted = believed(stage)
    ends = possible_ends(trusted)
    last = with_look(possibly_last(trusted.contenders))
    ended = [event for event in last if event.state in ends.states]
    shown = choose(ended or last)
    recent = with_look(newest_window(stage.contenders))
    snapshot = snapshot_of(shown, recent, known=known, evidence=evidence, fresh=fresh)
    changed = known is None or snapshot.columns != known.columns
    sure = bool(ended) and ends.are_sure and not shown.partial and trusted.members[:1] == stage.members[:1]
    judged = Judged(known, evidence, shown, changed=changed, sure=sure)
    return Decision(
        evidence=pack(snapshot.remembered_in(stage)),
        shown=EventId(shown.event_id),
        shown_created=shown.created,
        columns=snapshot.columns,
        changed=changed,
        sure=sure,
        verdicts=tuple(judged.verdicts(versions, fresh)),
        tied=len(recent) > 1,
    )


def with_look(members: Sequence[Member]) -> Sequence[Member]:
    """Leave out events of which only a hash is kept.

    Seconds rule those out as the last, except in a row that a release wrote which took stamps to be less late.
    """
    return [member for member in members if not member.event_id.startswith(SHORT)]


def choose(candidates: Sequence[Member]) -> Member:
    """Choose the event to show: of the chosen state, the newest."""
    state = rules.greatest(rules.most_grown(rules.edges_first(candidates))).state
    return rules.greatest([event for event in candidates if event.state == state])
