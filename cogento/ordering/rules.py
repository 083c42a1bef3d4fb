"""The rules that compare two events; the table in cogento/ordering/order.py lists them.

Each is a function of its own, so that a test can switch it off and see a law fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.events.versions import ORDER_WINDOW, STAMP_JITTER, Lifecycle, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.ordering.evidence import EventRecord


def is_terminal(version: Version) -> bool:
    """R1: after a deletion or end, only other deletions and ends count."""
    return version.terminal


def is_creation(version: Version) -> bool:
    """R2: the creation is the first event whatever its stamp (stamps 1 to 6 s late are on record)."""
    return version.lifecycle is Lifecycle.CREATED and not version.terminal


def is_surely_earlier(one: EventRecord | Version, other: EventRecord | Version) -> bool:
    """R3: further apart than a stamp can be late, the smaller second is earlier.

    The stamp of an answer of Stripe is never late, however slow it was: there the window suffices.
    """
    return one.created + (ORDER_WINDOW if other.fetched else STAMP_JITTER) < other.created


def reads_earlier(one: EventRecord, other: EventRecord) -> bool:
    """R3: more than the window apart, the smaller second is probably earlier; links may contradict it."""
    return one.created + ORDER_WINDOW < other.created


def is_probably_earlier(one: EventRecord, other: EventRecord) -> bool:
    """R6: where links are missing, seconds first, and inside the window what mostly grows (R7)."""
    return reads_earlier(one, other) or (has_grown(one, other) and not reads_earlier(other, one))


def is_same_change(one: EventRecord, other: EventRecord) -> bool:
    """R0: one request made one change, even if Stripe sends it to two endpoints as events with two ids."""
    return one.request is not None and (one.request, one.before, one.state) == (
        other.request,
        other.before,
        other.state,
    )


def edges_first(candidates: Sequence[EventRecord]) -> Sequence[EventRecord]:
    """R5: a sighting does not beat an edge."""
    return [event for event in candidates if event.before is not None] or candidates


def has_grown(one: EventRecord, other: EventRecord) -> bool:
    """R7: values that mostly grow hint that `one` is earlier, where both events carry the same ones."""
    return (
        one.growing != other.growing
        and len(one.growing) == len(other.growing)
        and all(a <= b for a, b in zip(one.growing, other.growing, strict=True))
    )


def most_grown(candidates: Sequence[EventRecord]) -> Sequence[EventRecord]:
    """R7: drop events whose growing values another event has exceeded; only a choice in doubt, never proof."""
    return [one for one in candidates if not any(has_grown(one, other) for other in candidates)]


def greatest(candidates: Sequence[EventRecord]) -> EventRecord:
    """R8: the newest second, then the greater id. Lifecycle needs no rank: R1 and R2 have decided it before."""
    return max(candidates, key=age)


def newest_delivered(records: Sequence[EventRecord]) -> EventRecord | None:
    """R10: the newest event that Stripe sent; fetched states do not count."""
    return max((event for event in records if not event.fetched), key=age, default=None)


def age(record: EventRecord) -> tuple[int, str]:
    """Sort by second; ids say nothing about order, and only make the sorting the same everywhere."""
    return record.created, record.event_id
