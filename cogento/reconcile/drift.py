"""Where a row differs from what Stripe says of its object, or from what it remembers itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.events.columns import CustomerColumns
from cogento.ordering.evidence import short_id, unpack
from cogento.ordering.row_values import FILLED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.events.columns import SubscriptionColumns
    from cogento.events.names import ObjectId
    from cogento.store.copies import Copy

ROW = "row"
"""The column in which a row that is not there differs."""

_NAMES = {"deleted": "deleted_at", "customer_id": "user_id"}
"""Columns of a table that show a value of another name."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One column of one row that is not as it should be; times in Unix seconds, JSON as text."""

    table: str
    object_id: ObjectId
    column: str
    expected: object
    found: object


def drifts(
    object_id: ObjectId, said: CustomerColumns | SubscriptionColumns, copy: Copy | None
) -> list[Drift]:
    """Compare a row with what Stripe said of its object.

    What Stripe's answer does not carry cannot differ. Raises OtherReleaseError where another release wrote what
    the row remembers.
    """
    table = "users" if isinstance(said, CustomerColumns) else "subscriptions"
    if copy is None:
        return [Drift(table, object_id, ROW, "present", None)]
    found = (*_columns(said, copy), *_email(copy), *_event(copy))
    return [Drift(table, object_id, *difference) for difference in found]


def _columns(said: CustomerColumns | SubscriptionColumns, copy: Copy) -> Iterator[tuple[str, object, object]]:
    for name in said.__struct_fields__:
        expected, found = getattr(said, name), getattr(copy.columns, name)
        is_told = expected is not None or name not in FILLED_COLUMNS[type(said)]
        if is_told and expected != found:
            yield _NAMES.get(name, name), expected, found


def _email(copy: Copy) -> Iterator[tuple[str, object, object]]:
    if copy.email != copy.email_due:
        yield "email", copy.email_due, copy.email


def _event(copy: Copy) -> Iterator[tuple[str, object, object]]:
    """A row names an event that it remembers, and its second."""
    seconds = {event.event_id: event.created for event in unpack(copy.evidence).all_events}
    created = seconds.get(copy.shown, seconds.get(short_id(copy.shown)))
    if created is None:
        yield "last_webhook_event_id", next(iter(seconds), None), copy.shown
    elif created != copy.shown_created:
        yield "stripe_updated_at", created, copy.shown_created
