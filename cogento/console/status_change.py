"""How an event changes its object's status, as far as the event itself tells: `past_due → active`.

The ledger keeps no status, so this is told of what waits and of dead letters, whose bytes are here.
"""

from __future__ import annotations

import re

from cogento.events.envelope import ANY_TIME, parse_whole
from cogento.events.errors import RejectedError
from cogento.events.kinds import CUSTOMER, kind_of

_STATUS = re.compile(r"[a-z_]{1,40}")


def describe_status_change(body: bytes) -> str:
    """Say it in words of Stripe's: both statuses, or the later alone; nothing where the event tells none."""
    try:
        whole, _ = parse_whole(body, now=ANY_TIME)
    except RejectedError:
        return ""
    kind = kind_of(whole.type)
    if kind is None or kind is CUSTOMER:
        return ""
    before = whole.data.previous_attributes
    told = (
        before.get(kind.ended_by) if isinstance(before, dict) else None,
        whole.data.object.get(kind.ended_by),
    )
    return " → ".join(word for word in told if isinstance(word, str) and _STATUS.fullmatch(word))
