"""What the tables hold of a customer and of a subscription, as frozen values.

The names are the column names of docs: users and subscriptions. Texts are already safe for Postgres
(NUL and lone surrogates replaced by U+FFFD); JSON columns are canonical JSON text (sorted keys, no spaces).
"""

from __future__ import annotations

import msgspec


class CustomerColumns(msgspec.Struct, frozen=True):
    """A customer as `users` shows it; times in Unix seconds, `address` and `metadata` JSON text."""

    stripe_email: str | None
    name: str | None
    phone: str | None
    address: str | None
    metadata: str
    stripe_created_at: int | None
    deleted: bool


class SubscriptionColumns(msgspec.Struct, frozen=True):
    """A subscription as `subscriptions` shows it; times in Unix seconds, `metadata` JSON text.

    A period or product that the event's shape does not carry is None and never overwrites a known one.
    """

    customer_id: str
    product_id: str | None
    status: str
    current_period_start: int | None
    current_period_end: int | None
    metadata: str
    stripe_created_at: int | None
