"""What a row shows of its event, and what fills the columns that the event's shape does not carry.

A column that moved between API versions must never lose a good value to a null. Its gap is filled by the
latest event that carries one, "latest" being a rank of the event itself: so the row is the same in
whatever order the events came. Knows nothing of how the shown event is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from msgspec import structs

from cogento.events.columns import CustomerColumns, SubscriptionColumns
from cogento.events.versions import Known, Version
from cogento.ordering import rules
from cogento.ordering.evidence import Evidence, GoodValue, Member, Rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Columns = CustomerColumns | SubscriptionColumns

FILLED: Mapping[type[Columns], tuple[str, ...]] = {
    CustomerColumns: ("stripe_created_at",),
    SubscriptionColumns: ("product_id", "current_period_start", "current_period_end", "stripe_created_at"),
}
"""The columns in which None means "not carried by this shape", never "empty in Stripe"."""

_CARRIED = {kind: attrgetter("stripe_created_at", *names) for kind, names in FILLED.items()}

_VALUES = {kind: attrgetter(*kind.__struct_fields__) for kind in (CustomerColumns, SubscriptionColumns)}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The columns that a row shows, and what it must remember because it does not show it."""

    columns: Columns
    unseen: tuple[tuple[bytes, tuple[Any, ...]], ...]
    good: tuple[GoodValue, ...]

    def remembered_in(self, stage: Evidence) -> Evidence:
        """Complete the evidence of a row that shows this."""
        return Evidence(
            ended=stage.ended,
            members=stage.members,
            opening=stage.opening,
            forgotten=stage.forgotten,
            columns=self.unseen,
            good=self.good,
        )


def has_gaps(columns: Columns) -> bool:
    """Tell whether this event's shape lacks a column; asked of every event, so it must be cheap."""
    return None in _CARRIED[type(columns)](columns)


def gaps(columns: Columns) -> tuple[str, ...]:
    """Name the columns that this event's shape does not carry."""
    return tuple(name for name in FILLED[type(columns)] if getattr(columns, name) is None)


def snapshot_of(
    shown: Member,
    recent: Iterable[Member],
    *,
    known: Known | None,
    evidence: Evidence,
    fresh: Mapping[str, Version],
) -> Snapshot:
    """Give what the row shows of an event of its newest window, from what it remembered and what is new."""
    before = _remembered(known, evidence) if known else {}
    own = before | {m.state: fresh[m.event_id].columns for m in _speakers(recent) if m.event_id in fresh}
    columns = own[shown.state]
    good: tuple[GoodValue, ...] = ()
    if missing := gaps(columns):
        good = _good_values(missing, evidence.good, _carriers(known, evidence, before, fresh.values()))
    hidden = {member.state for member in recent} - (set() if good else {shown.state})
    return Snapshot(
        columns=structs.replace(columns, **{value.column: value.value for value in good})
        if good
        else columns,
        unseen=tuple((state, _VALUES[type(columns)](own[state])) for state in sorted(hidden)),
        good=good,
    )


def _remembered(known: Known, evidence: Evidence) -> dict[bytes, Columns]:
    """The own columns of every state of the newest window; the row holds those of the shown one."""
    kind = type(known.columns)
    stored: dict[bytes, Columns] = {state: kind(*values) for state, values in evidence.columns}
    return {m.state: known.columns for m in evidence.contenders if m.event_id == known.shown} | stored


def _speakers(members: Iterable[Member]) -> Iterable[Member]:
    """Of several events with one state, the one to be shown: they may differ in nulls and empty hashes."""
    return {member.state: member for member in sorted(members, key=rules.age)}.values()


def _good_values(
    missing: Iterable[str], stored: Iterable[GoodValue], carriers: Iterable[tuple[Rank, Columns]]
) -> tuple[GoodValue, ...]:
    """Give the latest value of each missing column, over all events that ever carried one."""
    latest = {value.column: value for value in stored}
    for rank, columns in sorted(carriers, key=itemgetter(0)):
        for name in FILLED[type(columns)]:
            value = getattr(columns, name)
            if value is not None and (name not in latest or latest[name].rank < rank):
                latest[name] = GoodValue(name, rank, value)
    return tuple(latest[name] for name in missing if name in latest)


def _carriers(
    known: Known | None,
    evidence: Evidence,
    remembered: Mapping[bytes, Columns],
    fresh: Iterable[Version],
) -> Iterator[tuple[Rank, Columns]]:
    if known is not None and not remembered:
        yield (False, False, 0, ""), known.columns
    for m in _speakers(m for m in evidence.contenders if m.state in remembered):
        yield (evidence.ended, m is not evidence.opening, m.created, m.event_id), remembered[m.state]
    for v in fresh:
        yield (rules.ends_life(v), not rules.begins_life(v), v.created, v.event_id), v.columns
