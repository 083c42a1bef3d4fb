"""Identifiers that cross package borders, distinct for the type checker and free at run time; and how objects refer to others."""

from __future__ import annotations

import re
from typing import Any, NewType

EventId = NewType("EventId", str)
"""Stripe's event id, `evt_…`: says which event, never which is later."""

CustomerId = NewType("CustomerId", str)
"""Stripe's customer id, `cus_…`; also the name of the customer's mailbox."""

ObjectId = NewType("ObjectId", str)
"""The Stripe object an event is about: a customer's or a subscription's id."""

LeaseToken = NewType("LeaseToken", str)
"""Proof of a claim: only its holder may renew the lease and settle the events."""

_OBJECT_ID = re.compile(r"[!-~]{1,255}")


def referenced_id(value: Any) -> str | None:
    """Return the id that a reference stands for; None when it is not a reference."""
    id_ = value.get("id") if isinstance(value, dict) else value
    return id_ if isinstance(id_, str) else None


def is_object_id(text: str) -> bool:
    """Tell whether a text can be the id of a stored object: printable ASCII, no space, 1 to 255."""
    return _OBJECT_ID.fullmatch(text) is not None
