"""How long a loop lets mail gather before its next claim: a batch has a price of its own, however small it is.

Pure: knows neither mailboxes nor the clock.
"""

from __future__ import annotations

SECONDS_FOR_EACH_EVENT = 0.002
LONGEST_SECONDS = 0.25


def rest(events: int, *, took_seconds: float) -> float:
    """Return the seconds to rest after a batch of so many events that took so long, and left no mail behind.

    The more there was, the longer mail may gather: where 500 events a second come, batches grow until a
    claim follows another after LONGEST_SECONDS, and where little comes nobody waits.
    """
    return max(0.0, min(events * SECONDS_FOR_EACH_EVENT, LONGEST_SECONDS) - took_seconds)
