"""What a row shows of its event, and what fills the columns that the event's shape does not carry.

A column that moved between API versions must never lose a good value to a null. The gap is filled from the latest event that
carries a value; "latest" is a rank of the event itself, so the row is the same in whatever order the events came. Knows nothing
of how the shown event is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from msgspec import structs

from cogento.events.kinds import KINDS
from cogento.events.kinds.kind import Columns
from cogento.events.versions import CurrentRow, Version
from cogento.ordering import rules
from cogento.ordering.evidence import EventRecord, Evidence, FillValue, Rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FILLED_COLUMNS: Mapping[type[Columns], tuple[str, ...]] = {
    kind.columns: kind.not_in_every_shape for kind in KINDS
}
"""The columns in which None means "not carried by this shape", never "empty in Stripe"."""

_CARRIED = {columns: attrgetter("stripe_created_at", *names) for columns, names in FILLED_COLUMNS.items()}

_ADDED = {kind.columns: len(kind.columns.__struct_defaults__) for kind in KINDS}
"""How many columns, the last ones, later releases added: they have a default."""


@dataclass(frozen=True, slots=True)
class RowValues:
    """The columns that a row shows, and the other values that it must remember."""

    columns: Columns
    unseen: tuple[tuple[bytes, Columns], ...]
    fill_values: tuple[FillValue, ...]

    def remembered_in(self, stage: Evidence) -> Evidence:
        """Complete the evidence of a row that shows this."""
        return Evidence(
            ended=stage.ended,
            records=stage.records,
            creation=stage.creation,
            newest_dropped=stage.newest_dropped,
            fill_values=self.fill_values,
            **remembered_values(self.unseen),
        )


def remembered_values(unseen: Iterable[tuple[bytes, Columns]]) -> dict[str, Any]:
    """Return the columns of states as evidence keeps them: those that every release knows, and separately the added ones."""
    columns, added_columns = [], []
    for state, shown in unseen:
        values = structs.astuple(shown)
        known = len(values) - _ADDED[type(shown)]
        columns.append((state, values[:known]))
        added_columns.append(values[known:])
    return {"columns": tuple(columns), "added_columns": tuple(added_columns) if any(added_columns) else ()}


def has_gaps(columns: Columns) -> bool:
    """Tell whether this event's shape lacks a column; asked of every event, so it must be cheap."""
    return None in _CARRIED[type(columns)](columns)


def gaps(columns: Columns) -> tuple[str, ...]:
    """Name the columns that this event's shape does not carry."""
    return tuple(name for name in FILLED_COLUMNS[type(columns)] if getattr(columns, name) is None)


def row_values_of(
    shown: EventRecord,
    recent: Iterable[EventRecord],
    *,
    current: CurrentRow | None,
    evidence: Evidence,
    fresh: Mapping[str, Version],
) -> RowValues:
    """Return what the row shows of an event of its newest window, from what it remembered and the new events."""
    before = _remembered(current, evidence) if current else {}
    own = before | {m.state: fresh[m.event_id].columns for m in _speakers(recent) if m.event_id in fresh}
    columns = own[shown.state]
    fill_values: tuple[FillValue, ...] = ()
    if missing := gaps(columns):
        fill_values = _fill_values(
            missing, evidence.fill_values, _carriers(current, evidence, before, fresh.values())
        )
    hidden = {record.state for record in recent} - (set() if fill_values else {shown.state})
    return RowValues(
        columns=structs.replace(columns, **{value.column: value.value for value in fill_values})
        if fill_values
        else columns,
        unseen=tuple((state, own[state]) for state in sorted(hidden)),
        fill_values=fill_values,
    )


def _remembered(current: CurrentRow, evidence: Evidence) -> dict[bytes, Columns]:
    """Return the columns of every state of the newest window; those of the shown state are in the row itself."""
    kind = type(current.columns)
    stored: dict[bytes, Columns] = {state: kind(*values) for state, values in evidence.remembered_values}
    return {
        m.state: current.columns for m in evidence.candidates if m.event_id == current.last_event_id
    } | stored


def _speakers(records: Iterable[EventRecord]) -> Iterable[EventRecord]:
    """Pick one of several events with the same state, the one to show: they may differ in nulls and empty hashes."""
    return {record.state: record for record in sorted(records, key=rules.age)}.values()


def _fill_values(
    missing: Iterable[str], stored: Iterable[FillValue], carriers: Iterable[tuple[Rank, Columns]]
) -> tuple[FillValue, ...]:
    """Return the latest value of each missing column, over all events that ever carried one."""
    latest = {value.column: value for value in stored}
    for rank, columns in sorted(carriers, key=itemgetter(0)):
        for name in FILLED_COLUMNS[type(columns)]:
            value = getattr(columns, name)
            if value is not None and (name not in latest or latest[name].rank < rank):
                latest[name] = FillValue(name, rank, value)
    return tuple(latest[name] for name in missing if name in latest)


def _carriers(
    current: CurrentRow | None,
    evidence: Evidence,
    remembered: Mapping[bytes, Columns],
    fresh: Iterable[Version],
) -> Iterator[tuple[Rank, Columns]]:
    if current is not None and not remembered:
        yield (False, False, 0, ""), current.columns
    for m in _speakers(m for m in evidence.candidates if m.state in remembered):
        yield (evidence.ended, m is not evidence.creation, m.created, m.event_id), remembered[m.state]
    for v in fresh:
        yield (rules.is_terminal(v), not rules.is_creation(v), v.created, v.event_id), v.columns
