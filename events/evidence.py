"""What a row remembers of its events, so that the decision is the same in whatever order they come (R9).

Kept is a function of the set of events seen, never of their order: the newest GROUPS tie groups of the
topmost life stage (ended or live), and the creation while nothing else was forgotten. As events arrive
the borders only move forward, so what was dropped is never needed again. Stored as MessagePack arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from events.errors import TransientError
from events.versions import ORDER_WINDOW, Version

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUPS = 3
"""Tie groups remembered: with three no decidable history was ever judged wrong or unsure (docs/ordering.md)."""

MEMBERS = 64
"""Events remembered at most, so that a flood within one window cannot grow the row without end."""

FORMAT = 1


class Member(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One remembered event: a Version without its columns."""

    event_id: str
    created: int
    lifecycle: int
    state: bytes
    before: bytes | None
    growing: tuple[int, ...]
    partial: bool

    @property
    def leads_from(self) -> bytes:
        """The state that the object was in just before; a sighting found it as it left it."""
        return self.before or self.state

    @property
    def is_edge(self) -> bool:
        """Whether it proves a change between two states we tell apart."""
        return self.before is not None and self.before != self.state


Rank = tuple[bool, bool, int, str]
"""Ended, not the creation, second, event id: a later event ranks higher."""


class GoodValue(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The latest value of a column that the shown event does not carry, and the rank of who carried it."""

    column: str
    rank: Rank
    value: Any


class Evidence(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """All that is remembered; `members` newest first.

    `forgotten` is the second of the newest dropped event of this life stage. `columns` holds what each
    possibly last state looks like, unless the row itself shows exactly that.
    """

    format: int = FORMAT
    ended: bool = False
    members: tuple[Member, ...] = ()
    opening: Member | None = None
    forgotten: int | None = None
    columns: tuple[tuple[bytes, tuple[Any, ...]], ...] = ()
    good: tuple[GoodValue, ...] = ()

    @property
    def everyone(self) -> tuple[Member, ...]:
        """All remembered events, the creation last."""
        return (*self.members, self.opening) if self.opening else self.members


NOTHING = Evidence()

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Evidence).decode


def pack(evidence: Evidence) -> bytes:
    """Write evidence as stored in the row: equal evidence gives equal bytes."""
    return _encode(evidence)


def unpack(stored: bytes) -> Evidence:
    """Read evidence back; a row without any has seen no event.

    Raises TransientError for evidence that a newer release wrote: the customer waits for one of its workers.
    """
    if not stored:
        return NOTHING
    try:
        evidence = _decode(stored)
    except msgspec.DecodeError as error:
        raise TransientError("the order evidence of a row cannot be read by this release") from error
    if evidence.format != FORMAT:
        raise TransientError("the order evidence of a row was written by another release")
    return evidence


def member_of(version: Version) -> Member:
    """What of a version is remembered."""
    return Member(
        version.event_id,
        version.created,
        int(version.lifecycle),
        version.state,
        version.before,
        version.growing,
        version.partial,
    )


def greatest(members: Iterable[Member]) -> Member:
    """R8: of life's stages the last, then the newest second, then the greater id; the same everywhere."""
    return max(members, key=lambda member: (member.lifecycle, member.created, member.event_id))


def newest_groups(members: Iterable[Member], forgotten: int | None) -> tuple[tuple[Member, ...], int | None]:
    """Keep the newest tie groups, newest event first; also give the second of the newest dropped event."""
    ordered = sorted(members, key=lambda member: (member.created, member.event_id), reverse=True)
    groups, floor, kept = 0, None, 0
    for member in ordered[:MEMBERS]:
        if floor is None or member.created < floor:
            groups, floor = groups + 1, member.created - ORDER_WINDOW
            if groups > GROUPS:
                break
        kept += 1
    if kept < len(ordered):
        forgotten = max(ordered[kept].created, ordered[kept].created if forgotten is None else forgotten)
    return tuple(ordered[:kept]), forgotten
