"""Which events take something away: while one of them is dead, somebody may keep what has ended.

Reads no more of an object than that, so that it can be told of objects which nothing else can read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from events.envelope import is_about_subscription
from events.projection import TERMINAL_STATUSES
from events.thin import tells_of_end

if TYPE_CHECKING:
    from events.fields import Json

_DELETIONS = frozenset({"customer.deleted", "customer.subscription.deleted"})


def is_removal(type_: str, obj: Json) -> bool:
    """Tell whether an event of this type says of its object that it has ended."""
    if type_ in _DELETIONS or tells_of_end(type_):
        return True
    if is_about_subscription(type_):
        status = obj.get("status")
        return isinstance(status, str) and status in TERMINAL_STATUSES
    return obj.get("deleted") is True
