"""Which event is the last one: the pure decision that the whole project carries events to.

(what the row knows, new events) -> (what the row shall know, one verdict per event). No clock, no
randomness, no I/O, and the same result for every order, split and repetition of the same events.

    rule                                                                    where
    R0  one event id counts once                                            unseen
    R1  deletion and end absorb: an ended object never lives again          topmost_stage
    R2  creation is first whatever its stamp, and never overwrites          topmost_stage, walks.possible_ends
    R3  more than ORDER_WINDOW seconds apart, the greater is later          walks.is_surely_earlier
    R4  inside, each event leads from the state the one before it left:     walks.unbroken_ends
        the last state is where every walk over all events ends
    R5  where links are missing, a sighting does not beat an edge           edges_first
    R6  where links are missing, the walks with the fewest breaks count     walks.least_broken_ends
    R7  values that only grow choose between ends                           walks.is_earlier, grown_furthest
    R8  still undecided: the same choice everywhere, and the row is unsure  greatest
    R9  the row remembers its newest tie groups                             evidence.newest_groups
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from events.evidence import NOTHING, Evidence, Member, greatest, member_of, newest_groups, pack, unpack
from events.names import EventId
from events.outcomes import Reason
from events.snapshots import gaps, snapshots
from events.verdicts import Judged
from events.versions import ORDER_WINDOW, Decision, Known, Lifecycle, Verdict, Version
from events.walks import has_grown, possible_ends, possibly_last

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

__all__ = ["ORDER_WINDOW", "Decision", "Known", "Lifecycle", "Verdict", "Version", "decide"]


def decide(known: Known | None, versions: Sequence[Version]) -> Decision:
    """Decide what a row shall show, given what it knows and at least one event of the same object."""
    evidence = unpack(known.evidence) if known else NOTHING
    if known is not None and len(versions) == 1 and _is_plainly_last(versions[0], evidence):
        return _follow(known, evidence, versions[0])
    return _weigh(known, evidence, versions)


def _is_plainly_last(version: Version, evidence: Evidence) -> bool:
    """The common case: one whole event of a living object, newer than the window of all remembered."""
    return (
        version.lifecycle is Lifecycle.CHANGED
        and not (version.terminal or version.partial or evidence.ended)
        and bool(evidence.members)
        and evidence.members[0].created + ORDER_WINDOW < version.created
        and not gaps(version.columns)
    )


def _follow(known: Known, evidence: Evidence, version: Version) -> Decision:
    members, forgotten = newest_groups((member_of(version), *evidence.members), evidence.forgotten)
    opening = evidence.opening if forgotten is None else None
    changed = version.columns != known.columns
    return Decision(
        evidence=pack(Evidence(members=members, opening=opening, forgotten=forgotten)),
        shown=version.event_id,
        shown_created=version.created,
        columns=version.columns,
        changed=changed,
        sure=True,
        verdicts=(Verdict(version.event_id, Reason.NEWER if changed else Reason.UNCHANGED),),
    )


def _weigh(known: Known | None, evidence: Evidence, versions: Sequence[Version]) -> Decision:
    """The careful path: remember every event, walk the orders that fit, choose, and say why."""
    fresh = unseen(evidence, versions)
    stage = topmost_stage(evidence, fresh.values())
    ends = possible_ends(stage)
    last = possibly_last(stage.members or stage.everyone)
    shown = choose([event for event in last if event.state in ends.states])
    seen = snapshots(known, evidence, fresh, last)
    columns = seen.shown(shown)
    changed = known is None or columns != known.columns
    sure = ends.sure and not shown.partial
    judged = Judged(known, evidence, shown, changed=changed, sure=sure, tied=len({m.state for m in last}) > 1)
    return Decision(
        evidence=pack(seen.stored_in(stage, shown, last)),
        shown=EventId(shown.event_id),
        shown_created=shown.created,
        columns=columns,
        changed=changed,
        sure=sure,
        verdicts=tuple(judged.verdicts(versions, fresh)),
        tied=judged.tied,
    )


def unseen(evidence: Evidence, versions: Iterable[Version]) -> dict[str, Version]:
    """R0: the first version of each id that the evidence does not hold yet."""
    seen = {member.event_id for member in evidence.everyone}
    fresh: dict[str, Version] = {}
    for version in versions:
        if version.event_id not in seen:
            fresh.setdefault(version.event_id, version)
    return fresh


def topmost_stage(evidence: Evidence, fresh: Collection[Version]) -> Evidence:
    """R1, R2, R9: remember the events of the last stage of life that was seen, the creation apart."""
    ended = [version for version in fresh if version.terminal]
    if evidence.ended or ended:
        before = evidence if evidence.ended else NOTHING
        members, forgotten = newest_groups([*before.members, *map(member_of, ended)], before.forgotten)
        return Evidence(ended=True, members=members, forgotten=forgotten)
    live = [member_of(version) for version in fresh if version.lifecycle is not Lifecycle.CREATED]
    members, forgotten = newest_groups([*evidence.members, *live], evidence.forgotten)
    openings = [member_of(version) for version in fresh if version.lifecycle is Lifecycle.CREATED]
    openings += [evidence.opening] if evidence.opening else []
    opening = (
        min(openings, key=lambda m: (m.created, m.event_id), default=None) if forgotten is None else None
    )
    return Evidence(members=members, opening=opening, forgotten=forgotten)


def choose(candidates: Sequence[Member]) -> Member:
    """Choose the event to show: of the most credible state, the greatest event."""
    state = greatest(grown_furthest(edges_first(candidates))).state
    return greatest(event for event in candidates if event.state == state)


def edges_first(candidates: Sequence[Member]) -> Sequence[Member]:
    """R5: a sighting does not beat an edge."""
    return [event for event in candidates if event.is_edge] or candidates


def grown_furthest(candidates: Sequence[Member]) -> Sequence[Member]:
    """R7: drop those that another has outgrown."""
    return [one for one in candidates if not any(has_grown(one, other) for other in candidates)]
