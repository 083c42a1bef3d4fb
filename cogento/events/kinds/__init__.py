"""The kinds of Stripe's objects that have a table. Whatever is done for one kind is done for all, by their descriptions.

Customers come first: every other object belongs to one.
"""

from __future__ import annotations

from cogento.events.kinds.customer import CUSTOMER
from cogento.events.kinds.kind import FETCHED, Kind
from cogento.events.kinds.subscription import SUBSCRIPTION
from cogento.events.thin import PREFIX

__all__ = [
    "CUSTOMER",
    "KINDS",
    "KINDS_BY_NAME",
    "OWNED_KINDS",
    "SUBSCRIPTION",
    "Kind",
    "is_deletion",
    "kind_of",
    "kind_of_thin",
]

KINDS = (
    CUSTOMER,
    SUBSCRIPTION,
)

OWNED_KINDS = tuple(kind for kind in KINDS if kind is not CUSTOMER)
"""The kinds that belong to a customer."""

KINDS_BY_NAME = {kind.name: kind for kind in KINDS}
_BY_TYPE = {type_: kind for kind in KINDS for type_ in (*kind.types, kind.fetched)}
_WITH_NEW_EVENTS = tuple((f"{kind.family}.", kind) for kind in KINDS if kind.takes_new_events)
_DELETIONS = frozenset(form for kind in KINDS for form in (kind.deletion, f"{PREFIX}{kind.deletion}"))


def kind_of(type_: str) -> Kind | None:
    """Find the kind of object that snapshot events of this type carry; None where it has no table."""
    known = _BY_TYPE.get(type_)
    if known is None:
        return next((kind for family, kind in _WITH_NEW_EVENTS if type_.startswith(family)), None)
    return known


def kind_of_thin(type_: str) -> Kind | None:
    """Find the kind of object that thin events of this type name; None where it has no table."""
    name = type_.removeprefix(PREFIX)
    return None if name == type_ or name.endswith(f".{FETCHED}") else kind_of(name)


def is_deletion(type_: str) -> bool:
    """Tell whether an event of this type, snapshot or thin, says that its object was deleted, whatever else it says."""
    return type_ in _DELETIONS
