"""What a row remembers of its events, so that the decision is the same in whatever order they come (R9).

Kept is a function of the set of events seen, never of their order: the newest GROUPS tie groups of the
last stage of life that was seen (ended, else live), and the creation while nothing else was forgotten. As
events arrive the borders only move forward, so what was dropped is never needed again.
"""

from __future__ import annotations

import binascii
import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from cogento.events.errors import OtherReleaseError
from cogento.events.projection import TERMINAL_STATUSES
from cogento.events.versions import STAMP_JITTER, Version
from cogento.ordering import rules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from cogento.events.columns import SubscriptionColumns

GROUPS = 4
"""Tie groups remembered: with three, 3 of 97,307 decidable histories stayed unsure; with four, none did."""

MEMBERS = 64
"""Events remembered at most, so that a flood within one window cannot grow the row without end."""

FORMAT = 1
READABLE = frozenset({1})
"""A format is best made readable one release before it is written: then no event ever has to wait for it."""

SHORT = "~"


class Member(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One remembered event: a version without its columns. Only an edge has a `before`.

    The id is short (`short_id`) once seconds rule the event out as the last.
    """

    event_id: str
    created: int
    state: bytes
    before: bytes | None
    growing: tuple[int, ...]
    partial: bool
    fetched: bool = False
    request: bytes | None = None

    @property
    def leads_from(self) -> bytes:
        """The state that the object was in just before; a sighting found it as it left it."""
        return self.before or self.state


Rank = tuple[bool, bool, int, str]
"""Ended, not the creation, second, event id: a later event ranks higher."""


class GoodValue(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The latest value of a column that the shown event does not carry, and the rank of the event that does."""

    column: str
    rank: Rank
    value: Any


class Evidence(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """All that is remembered; `members` newest first.

    `forgotten` is the second of the newest dropped event of this stage of life. `columns` holds what each
    state of the newest window looks like, unless the row itself shows exactly that.
    """

    format: int = FORMAT
    ended: bool = False
    members: tuple[Member, ...] = ()
    opening: Member | None = None
    forgotten: int | None = None
    columns: tuple[tuple[bytes, tuple[Any, ...]], ...] = ()
    good: tuple[GoodValue, ...] = ()

    @property
    def contenders(self) -> tuple[Member, ...]:
        """The events that a row can show: the creation only while it is alone."""
        return self.members or self.everyone

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

    Raises OtherReleaseError for evidence that another release wrote: the customer waits for one of its workers.
    """
    if not stored:
        return NOTHING
    try:
        evidence = _decode(stored)
    except msgspec.DecodeError as error:
        raise OtherReleaseError("the order evidence of a row cannot be read by this release") from error
    if evidence.format not in READABLE:
        raise OtherReleaseError("the order evidence of a row was written by another release")
    return evidence


def unseen(evidence: Evidence, versions: Iterable[Version]) -> dict[str, Version]:
    """R0: the first version of each id that the evidence does not hold yet."""
    seen = {member.event_id for member in evidence.everyone}
    fresh: dict[str, Version] = {}
    for version in versions:
        if version.event_id not in seen and short_id(version.event_id) not in seen:
            fresh.setdefault(version.event_id, version)
    return fresh


def remember(evidence: Evidence, versions: Collection[Version]) -> Evidence:
    """Add new events, each id once; the columns are left for `Snapshot.remembered_in`."""
    ended = [member_of(version) for version in versions if rules.ends_life(version)]
    if evidence.ended or ended:
        return _remember_end(evidence if evidence.ended else NOTHING, ended)
    return _remember_life(evidence, versions)


def _remember_end(evidence: Evidence, ended: list[Member]) -> Evidence:
    members, forgotten = newest_groups([*evidence.members, *ended], evidence.forgotten)
    return Evidence(ended=True, members=members, forgotten=forgotten)


def _remember_life(evidence: Evidence, versions: Collection[Version]) -> Evidence:
    """The creation stands apart: it says where the rest began, while nothing of that is forgotten."""
    later = [member_of(version) for version in versions if not rules.begins_life(version)]
    members, forgotten = newest_groups([*later, *evidence.members], evidence.forgotten)
    if forgotten is not None:
        return Evidence(members=members, forgotten=forgotten)
    openings = [member_of(version) for version in versions if rules.begins_life(version)]
    openings += [evidence.opening] if evidence.opening else []
    return Evidence(members=members, opening=min(openings, key=rules.age, default=None))


def newest_groups(members: list[Member], forgotten: int | None) -> tuple[tuple[Member, ...], int | None]:
    """R9: keep the newest tie groups, newest event first; also give the second of the newest dropped event."""
    if not members:
        return (), forgotten
    newest = rules.newest_told(members)
    ordered = sorted([_shortened(one, newest) for one in members], key=rules.age, reverse=True)
    groups = ordered[: _end_of_groups(ordered)]
    kept = groups if len(groups) <= MEMBERS else _cut(groups)
    if len(kept) < len(ordered):
        forgotten = max(forgotten or 0, ordered[len(kept)].created)
    return tuple(kept), forgotten


def _cut(groups: list[Member]) -> list[Member]:
    kept = sorted(groups, key=_lasting_age, reverse=True)[:MEMBERS]
    return sorted(kept, key=rules.age, reverse=True)


def _lasting_age(member: Member) -> tuple[int, str]:
    """Sort as `rules.age` does, but alike before and after an id is shortened: a cut must not depend on when."""
    is_short = member.event_id.startswith(SHORT)
    return member.created, member.event_id if is_short else short_id(member.event_id)


def _end_of_groups(newest_first: Sequence[Member]) -> int:
    """Count the events of the newest groups; each reaches back from its newest event as far as stamps are late."""
    head, groups = newest_first[0], 1
    for place, member in enumerate(newest_first):
        if member.created + STAMP_JITTER < head.created:
            head, groups = member, groups + 1
            if groups > GROUPS:
                return place
    return len(newest_first)


def _shortened(member: Member, newest: Member | None) -> Member:
    """Only an event of the newest window can come to be shown; of others the id need only be known again."""
    if newest is None or member.event_id.startswith(SHORT) or not rules.is_surely_earlier(member, newest):
        return member
    return replace(member, event_id=short_id(member.event_id))


def short_id(event_id: str) -> str:
    """Shorten an event id to a hash of six bytes in nine characters; `~` begins no id of Stripe's."""
    digest = hashlib.blake2b(event_id.encode(errors="replace"), digest_size=6).digest()
    return SHORT + binascii.b2a_base64(digest, newline=False).decode()


def member_of(version: Version) -> Member:
    """What of a version is remembered."""
    return Member(
        version.event_id,
        version.created,
        version.state,
        None if version.before == version.state else version.before,
        version.growing,
        version.partial,
        version.fetched,
        version.request,
    )


def outlives_its_customer(columns: SubscriptionColumns, evidence: bytes) -> bool:
    """Tell whether a subscription's row does not show its end yet, for one whose customer is deleted.

    Stripe "immediately cancels any active subscriptions on the customer" (docs.stripe.com/api/customers/delete), so
    its end is certain and only its event is missing: the row is in doubt. Raises OtherReleaseError for evidence that
    another release wrote.
    """
    return columns.status not in TERMINAL_STATUSES and not unpack(evidence).ended
