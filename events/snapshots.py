"""What each event that may be the last would show, and what fills the columns its shape does not carry.

A column that moved between API versions must never lose a good value to a null. Its gap is filled by the
latest event that carries one, "latest" being a rank of the event itself, so the row is the same in
whatever order the events came. Knows nothing of which event is the last.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING

from events import rules
from events.columns import CustomerColumns, SubscriptionColumns
from events.evidence import Evidence, GoodValue, Member, Rank
from events.versions import Known, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Columns = CustomerColumns | SubscriptionColumns

FILLED: Mapping[type[Columns], tuple[str, ...]] = {
    CustomerColumns: ("stripe_created_at",),
    SubscriptionColumns: ("product_id", "current_period_start", "current_period_end", "stripe_created_at"),
}
"""The columns in which None means "not carried by this shape", never "empty in Stripe"."""

_VALUES = {
    kind: attrgetter(*(field.name for field in fields(kind)))
    for kind in (CustomerColumns, SubscriptionColumns)
}


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The events' own columns by state, and the best known value of each column that can have a gap."""

    own: Mapping[bytes, Columns]
    good: Mapping[str, GoodValue]

    def shown(self, member: Member) -> Columns:
        """What a row shows of an event: its own columns, gaps filled."""
        own = self.own[member.state]
        return replace(own, **{gap: self.good[gap].value for gap in gaps(own) if gap in self.good})

    def stored_in(self, stage: Evidence, shown: Member, recent: Iterable[Member]) -> Evidence:
        """Add to the evidence what the row itself does not show."""
        own = self.own[shown.state]
        good = tuple(self.good[gap] for gap in gaps(own) if gap in self.good)
        states = {member.state for member in recent} - (set() if good else {shown.state})
        return Evidence(
            ended=stage.ended,
            members=stage.members,
            opening=stage.opening,
            forgotten=stage.forgotten,
            columns=tuple((state, _VALUES[type(own)](self.own[state])) for state in sorted(states)),
            good=good,
        )


def gaps(columns: Columns) -> tuple[str, ...]:
    """The columns that this event's shape does not carry."""
    return tuple(name for name in FILLED[type(columns)] if getattr(columns, name) is None)


def snapshots(
    known: Known | None, evidence: Evidence, fresh: Mapping[str, Version], recent: Iterable[Member]
) -> Snapshots:
    """Gather what is remembered and what is new of the newest window."""
    remembered = _remembered(known, evidence) if known else {}
    new = {m.state: fresh[m.event_id].columns for m in _speakers(recent) if m.event_id in fresh}
    carried = [*evidence.good, *_carried_by_row(known, evidence, remembered), *_carried_by(fresh.values())]
    good = {value.column: value for value in sorted(carried, key=lambda value: value.rank)}
    return Snapshots(remembered | new, good)


def _remembered(known: Known, evidence: Evidence) -> dict[bytes, Columns]:
    """The own columns of every state of the newest window; the row holds those of the shown one."""
    kind = type(known.columns)
    stored: dict[bytes, Columns] = {state: kind(*values) for state, values in evidence.columns}
    return {m.state: known.columns for m in evidence.contenders if m.event_id == known.shown} | stored


def _speakers(members: Iterable[Member]) -> Iterable[Member]:
    """Of several events with one state, the one to be shown: they may differ in nulls and empty hashes."""
    return {member.state: member for member in sorted(members, key=rules.age)}.values()


def _carried_by_row(
    known: Known | None, evidence: Evidence, remembered: Mapping[bytes, Columns]
) -> Iterator[GoodValue]:
    if known is not None and not remembered:
        yield from _carried(known.columns, (False, False, 0, ""))
    for m in _speakers(m for m in evidence.contenders if m.state in remembered):
        yield from _carried(
            remembered[m.state], (evidence.ended, m is not evidence.opening, m.created, m.event_id)
        )


def _carried_by(versions: Iterable[Version]) -> Iterator[GoodValue]:
    for v in versions:
        yield from _carried(v.columns, (rules.ends_life(v), not rules.begins_life(v), v.created, v.event_id))


def _carried(columns: Columns, rank: Rank) -> Iterator[GoodValue]:
    values = ((name, getattr(columns, name)) for name in FILLED[type(columns)])
    return (GoodValue(name, rank, value) for name, value in values if value is not None)
