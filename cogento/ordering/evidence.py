"""The evidence of order that is stored beside a row: its form, and how it is written and read.

What is kept of the events seen is decided in cogento/ordering/memory.py.
"""

from __future__ import annotations

import binascii
import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from cogento.events.errors import OtherReleaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.events.kinds.kind import Columns, Kind
    from cogento.events.versions import Version

FORMAT = 1
READABLE = frozenset({1})
"""Make a format readable one release before it is written: then no event ever has to wait for a worker of that release."""

SHORT = "~"


class EventRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One remembered event: a version without its columns. Only an edge has a `before`, a sighting has none.

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
        """The state of the object just before the event; a sighting changes nothing."""
        return self.before or self.state


Rank = tuple[bool, bool, int, str]
"""(has ended, is not the creation, second, event id): a later event ranks higher."""


class FillValue(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The latest value of a column that the shown event does not carry, and the rank of the event that does."""

    column: str
    rank: Rank
    value: Any


class Evidence(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """All that is remembered; `records` newest first.

    `newest_dropped` is the second of the newest dropped event of this stage of life. `columns` holds the columns of each state
    of the newest window, except of the one that the row itself shows. `added_columns` holds, in the same order, the values of
    columns that later releases added: separately and last, where an earlier release ignores them. It is empty where an earlier
    release wrote the evidence: those values are then unknown.
    """

    format: int = FORMAT
    ended: bool = False
    records: tuple[EventRecord, ...] = ()
    creation: EventRecord | None = None
    newest_dropped: int | None = None
    columns: tuple[tuple[bytes, tuple[Any, ...]], ...] = ()
    fill_values: tuple[FillValue, ...] = ()
    added_columns: tuple[tuple[Any, ...], ...] = ()

    @property
    def remembered_values(self) -> Iterator[tuple[bytes, tuple[Any, ...]]]:
        """Each remembered state of the newest window, with the values of its columns as far as they are known."""
        every_added = self.added_columns or ((),) * len(self.columns)
        for (state, values), added in zip(self.columns, every_added, strict=True):
            yield state, (*values, *added)

    @property
    def candidates(self) -> tuple[EventRecord, ...]:
        """The events that a row can show; the creation only if it is the only one."""
        return self.records or self.all_events

    @property
    def all_events(self) -> tuple[EventRecord, ...]:
        """All remembered events, the creation last."""
        return (*self.records, self.creation) if self.creation else self.records


NOTHING = Evidence()

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Evidence).decode


def pack(evidence: Evidence) -> bytes:
    """Write evidence as stored in the row: equal evidence gives equal bytes, in every release that knows its columns."""
    values = structs.astuple(evidence)
    return _encode(values if evidence.added_columns else values[:-1])


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


def short_id(event_id: str) -> str:
    """Shorten an event id to a hash of six bytes in nine characters; no id of Stripe's begins with its `~`."""
    digest = hashlib.blake2b(event_id.encode(errors="replace"), digest_size=6).digest()
    return SHORT + binascii.b2a_base64(digest, newline=False).decode()


def record_of(version: Version) -> EventRecord:
    """Return the part of a version that is remembered."""
    return EventRecord(
        version.event_id,
        version.created,
        version.state,
        None if version.before == version.state else version.before,
        version.growing,
        version.partial,
        version.fetched,
        version.request,
    )


def outlives_its_customer(kind: Kind, columns: Columns, evidence: bytes) -> bool:
    """Tell whether the row of an object whose customer is deleted does not show the object's end yet.

    Stripe "immediately cancels any active subscriptions on the customer" (docs.stripe.com/api/customers/delete), so a
    subscription's end is certain and only its event is missing: the row is unsure. Raises OtherReleaseError for evidence that
    another release wrote.
    """
    return kind.ends_with_customer and not kind.shows_end(columns) and not unpack(evidence).ended
