"""Why an event can end as a dead letter: the catalogue of reasons, what each means and what to do about it.

The sentences quote nothing of a payload. Knows nothing of how letters are kept.
"""

from __future__ import annotations

from enum import StrEnum


class LetterReason(StrEnum):
    """Why an event could not be applied."""

    MALFORMED = "malformed"
    UNKNOWN_TYPE = "unknown_type"
    MISROUTED = "misrouted"
    FENCED = "fenced"
    CUSTOMER_MISSING = "customer_missing"
    OBJECT_MISSING = "object_missing"
    CRASHED_WORKER = "crashed_worker"
    IMPOSSIBLE_VALUE = "impossible_value"
    ADDRESS_TAKEN = "address_taken"
    GAVE_UP = "gave_up"
    BUG = "bug"


MESSAGES = {
    LetterReason.MALFORMED: "The event's object is not what its type says, or holds impossible values.",
    LetterReason.UNKNOWN_TYPE: "Events of this type have no table.",
    LetterReason.MISROUTED: "The event lay in a mailbox that is not its customer's.",
    LetterReason.FENCED: "The letter was put back, and its event is of another mode or account than ours.",
    LetterReason.CUSTOMER_MISSING: "The subscription's customer did not arrive within three days.",
    LetterReason.OBJECT_MISSING: "Stripe does not know the object that the thin event names, for three days.",
    LetterReason.CRASHED_WORKER: "The worker died each time it took this event.",
    LetterReason.IMPOSSIBLE_VALUE: "Postgres cannot hold one of the event's values.",
    LetterReason.ADDRESS_TAKEN: "A row of users that no event made has the customer's address.",
    LetterReason.GAVE_UP: "Every attempt failed for a day, for a cause that should have passed.",
    LetterReason.BUG: "The program failed on this event in a way nobody foresaw.",
}

ACCOUNT_MISSING = (
    "The subscription's customer lives as an account (`customer_account`), of which no customer event tells: "
    "without STRIPE_API_KEY nothing is known of it."
)
"""What stands in a letter of CUSTOMER_MISSING where that is why."""

ADVICE = {
    LetterReason.MALFORMED: (
        "Retry it with a release that reads it. Else discard it: the object's next event carries the whole object."
    ),
    LetterReason.UNKNOWN_TYPE: (
        "No table misses it: discard it, and untick the type at Stripe's endpoint. "
        "Retry it with a release that knows the type."
    ),
    LetterReason.MISROUTED: (
        "Retry it: it goes to the mailbox that its bytes name. Find out who else writes to this Redis."
    ),
    LetterReason.FENCED: (
        "Discard it, if STRIPE_LIVEMODE and STRIPE_ACCOUNT of the worker are right. Else set them right and retry it."
    ),
    LetterReason.CUSTOMER_MISSING: (
        "Have Stripe send the customer's own event again, or set STRIPE_API_KEY and run `cogento backfill`; once the row "
        "is there, the letter is retried by itself."
    ),
    LetterReason.OBJECT_MISSING: (
        "See that STRIPE_API_KEY is of the account that sends the events, then retry it: Stripe is asked again. "
        "Discard it if the object is gone."
    ),
    LetterReason.CRASHED_WORKER: (
        "Look in the workers' logs and memory for what ended them; when that is fixed, retry it alone."
    ),
    LetterReason.IMPOSSIBLE_VALUE: (
        "The code says what Postgres refused. Fix the constraint and retry it, or fix the value in Stripe and "
        "discard it: the change comes as a new event."
    ),
    LetterReason.ADDRESS_TAKEN: (
        "The message names the row by its user_id. If both are the same person, write the customer's id into its "
        "stripe_customer_id; else give it another e-mail or delete it. Then retry the letter."
    ),
    LetterReason.GAVE_UP: (
        "Find out what stood in the way for so long, then retry it. It is retried by itself, once, when any customer's "
        "rows are written ten minutes or more after it died."
    ),
    LetterReason.BUG: "Report it with its type, code and fingerprint; retry it with the release that fixes it.",
}

AUTO_RETRY_REASONS = {
    LetterReason.CUSTOMER_MISSING: "the customer's row is there now",
    LetterReason.GAVE_UP: "rows have been written since it was given up: its own may go as well",
}
"""Reasons whose end can be seen in the tables, so that a worker retries the letter by itself; and why it may succeed now."""
