"""Thin events: notifications that name the object that changed and nothing of what it is like now.

Stripe's shape for its v2 events, and since 2026-09-30 for those of v1 objects too (docs.stripe.com/event-destinations).
Stripe has to be asked for the object itself. Knows nothing of how that is done.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - msgspec reads the annotation

import msgspec

PREFIX = "v1."
"""How the types of thin events about v1 objects begin; what follows is the snapshot event's type."""

THIN = "v2.core.event"
"""What a thin event calls itself in `object`."""


class Related(msgspec.Struct, frozen=True):
    """The object that changed; singletons have no id."""

    type: str
    id: str = ""


class ThinEvent(msgspec.Struct, frozen=True):
    """A thin event in Stripe's own field names; `context` is the account, or a path of them."""

    id: str
    type: str
    created: dt.datetime
    livemode: bool | None = None
    context: str | None = None
    related_object: Related | None = None

    @property
    def second(self) -> int:
        """Its time in whole Unix seconds, as snapshot events have it."""
        return int(self.created.timestamp())

    @property
    def account(self) -> str | None:
        """The account whose object changed; None for the one that the endpoint belongs to."""
        return account_of_context(self.context)

    @property
    def object_id(self) -> str:
        """The id of the object that changed; empty where it has none."""
        return self.related_object.id if self.related_object else ""


def account_of_context(context: str | None) -> str | None:
    """The account that a context leads to: `acct_…`, or the last of a path (`acct_platform/acct_connected`).

    The path begins below the owner of the endpoint, an organization or a platform (docs.stripe.com/context).
    """
    return context.rpartition("/")[2] if context else None


class _Named(msgspec.Struct):
    object: str | None = None


_NAME = msgspec.json.Decoder(_Named)
_EVENT = msgspec.json.Decoder(ThinEvent)
_MARK = THIN.encode()


def is_thin(body: bytes) -> bool:
    """Tell whether a body calls itself a thin event; cheap for bodies that do not."""
    if _MARK not in body:
        return False
    try:
        return _NAME.decode(body).object == THIN
    except msgspec.DecodeError:
        return False


def read_thin(body: bytes) -> ThinEvent:
    """Read a thin event whose JSON was found to be strict; raises msgspec.ValidationError."""
    event = _EVENT.decode(body)
    if event.created.tzinfo is None:
        raise msgspec.ValidationError("`created` has no time zone")
    return event
