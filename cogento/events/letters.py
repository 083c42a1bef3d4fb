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
    LetterReason.MISROUTED: "The event was stored in another customer's mailbox.",
    LetterReason.FENCED: "The letter was retried, and its event belongs to another mode or account than this deployment.",
    LetterReason.CUSTOMER_MISSING: "The subscription's customer did not arrive within three days.",
    LetterReason.OBJECT_MISSING: "Stripe has returned 404 for the thin event's object for three days.",
    LetterReason.CRASHED_WORKER: "Four workers crashed while processing this event.",
    LetterReason.IMPOSSIBLE_VALUE: "PostgreSQL rejected one of the event's values.",
    LetterReason.ADDRESS_TAKEN: "A row of users that was not written from an event has the customer's address.",
    LetterReason.GAVE_UP: "Every attempt failed for 24 hours with a temporary error.",
    LetterReason.BUG: "Unexpected error in Cogento.",
}

ACCOUNT_MISSING = (
    "The subscription's customer lives as an account (`customer_account`), of which no customer event tells: "
    "without STRIPE_API_KEY nothing is known of it."
)
"""The message of a letter with CUSTOMER_MISSING where this is the cause."""

ADVICE = {
    LetterReason.MALFORMED: (
        "Retry it with a release that can read it, or discard it: the object's next event carries the whole object."
    ),
    LetterReason.UNKNOWN_TYPE: (
        "No table needs it: discard it, and remove the type from the endpoint in Stripe. "
        "Retry it with a release that knows the type."
    ),
    LetterReason.MISROUTED: (
        "Retry it: it goes to its own customer's mailbox. Find out who else writes to this Redis."
    ),
    LetterReason.FENCED: (
        "Discard it if STRIPE_LIVEMODE and STRIPE_ACCOUNT of the worker are right; else correct them and retry it."
    ),
    LetterReason.CUSTOMER_MISSING: (
        "In Stripe, resend the customer.created or customer.updated event, or set STRIPE_API_KEY and run "
        "`cogento backfill`; once the row exists, the letter is retried automatically."
    ),
    LetterReason.OBJECT_MISSING: (
        "Check that STRIPE_API_KEY belongs to the account that sends the events, then retry it: Stripe is asked again. "
        "Discard it if the object is gone."
    ),
    LetterReason.CRASHED_WORKER: (
        "Look for the cause in the workers' logs and memory; when it is fixed, retry this letter alone."
    ),
    LetterReason.IMPOSSIBLE_VALUE: (
        "The code says what PostgreSQL rejected. Fix the constraint and retry it, or fix the value in Stripe and "
        "discard it: the change comes as a new event."
    ),
    LetterReason.ADDRESS_TAKEN: (
        "The message names the row by its user_id. If both are the same person, write the customer's id into its "
        "stripe_customer_id; else give it another e-mail or delete it. Then retry the letter."
    ),
    LetterReason.GAVE_UP: (
        "Find out what blocked it, then retry it. It is retried automatically, once, as soon as any other event "
        "succeeds ten minutes or more later."
    ),
    LetterReason.BUG: "Report it with its type, code and fingerprint; retry it with the release that fixes it.",
}

ADVICE_WITHOUT_BYTES = (
    "Its bytes were erased, because its customer is deleted or forgotten: it cannot be retried. Discard it."
)
"""What to do about an open letter of any reason that has lost its bytes."""

AUTO_RETRY_REASONS = {
    LetterReason.CUSTOMER_MISSING: "the customer's row exists now",
    LetterReason.GAVE_UP: "other events have succeeded since it was given up: this one may, too",
}
"""Reasons of which the tables show when the cause is gone, so that a worker retries the letter by itself; and why it may succeed then."""
