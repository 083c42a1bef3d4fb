"""One event read whole: what it says of which object, ready for the order and for the tables.

Knows the shapes of Stripe's payloads in every API version we meet (ORDERING: shapes to read). Knows
nothing of what is already stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from events.names import CustomerId, EventId, ObjectId

if TYPE_CHECKING:
    from events.columns import CustomerColumns, SubscriptionColumns
    from events.ordering import Version


class ObjectKind(StrEnum):
    """The Stripe objects that have a table."""

    CUSTOMER = "customer"
    SUBSCRIPTION = "subscription"


@dataclass(frozen=True, slots=True)
class Event:
    """A whole event: `columns` are what a row would show, `version` is its evidence of order."""

    id: EventId
    type: str
    created: int
    kind: ObjectKind
    object_id: ObjectId
    customer_id: CustomerId
    columns: CustomerColumns | SubscriptionColumns
    version: Version


def read_event(body: bytes) -> Event:
    """Read a stored body whole.

    Raises PermanentError(reason="malformed") when the object is not what the type says or holds
    impossible values, and PermanentError(reason="unknown_type") for a type that has no table.
    """
    raise NotImplementedError
