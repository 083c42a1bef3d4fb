"""Why an event can end as a dead letter: the catalogue of reasons, and one sentence for people each.

The sentences quote nothing of a payload. Knows nothing of how letters are kept.
"""

from __future__ import annotations

from enum import StrEnum


class LetterReason(StrEnum):
    """Why an event could not be applied."""

    MALFORMED = "malformed"
    UNKNOWN_TYPE = "unknown_type"
    MISROUTED = "misrouted"
    CUSTOMER_MISSING = "customer_missing"
    CRASHED_WORKER = "crashed_worker"
    IMPOSSIBLE_VALUE = "impossible_value"
    GAVE_UP = "gave_up"
    BUG = "bug"


MESSAGES = {
    LetterReason.MALFORMED: "The event's object is not what its type says, or holds impossible values.",
    LetterReason.UNKNOWN_TYPE: "Events of this type have no table.",
    LetterReason.MISROUTED: "The event lay in a mailbox that is not its customer's.",
    LetterReason.CUSTOMER_MISSING: "The subscription's customer did not arrive within three days.",
    LetterReason.CRASHED_WORKER: "The worker died each time it took this event.",
    LetterReason.IMPOSSIBLE_VALUE: "Postgres cannot hold one of the event's values.",
    LetterReason.GAVE_UP: "Every attempt failed for a day, for a cause that should have passed.",
    LetterReason.BUG: "The program failed on this event in a way nobody foresaw.",
}

PARKED_SECONDS = 3 * 24 * 3600
"""How long a subscription waits for its customer; as long as Stripe itself retries a delivery."""
