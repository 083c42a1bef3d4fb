"""A Stripe customer as `users` shows it, whatever API version rendered it."""

from __future__ import annotations

from cogento.events import fields
from cogento.events.columns import CustomerColumns
from cogento.events.fields import Json

LONGEST_EMAIL = 512  # Stripe's own limit; four times as many bytes still fit into a unique index


def live_customer(obj: Json) -> CustomerColumns:
    """Read a customer; an empty address is none. Raises PermanentError when a value cannot be stored."""
    return CustomerColumns(
        stripe_email=fields.text(obj, "email", longest=LONGEST_EMAIL) or None,
        name=fields.text(obj, "name"),
        phone=fields.text(obj, "phone"),
        address=fields.nested_text(obj, "address"),
        metadata=fields.nested_text(obj, "metadata") or "{}",
        stripe_created_at=fields.time(obj, "created"),
        deleted=False,
    )


def deleted_customer(obj: Json) -> CustomerColumns:
    """Erase a customer as Stripe does, whether the event carries all it was or only its id."""
    return CustomerColumns(
        stripe_email=None,
        name=None,
        phone=None,
        address=None,
        metadata="{}",
        stripe_created_at=fields.time(obj, "created"),
        deleted=True,
    )
