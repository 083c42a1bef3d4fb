"""What takes something away: events that do, and the deletion of a customer, which ends what it subscribed to.

While such an event is dead or has not come, somebody may keep what has ended. Of an event no more is read than
that, so that it can be told of objects which nothing else can read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.events.envelope import is_about_subscription
from cogento.events.projection import TERMINAL_STATUSES
from cogento.events.thin import tells_of_end
from cogento.ordering.evidence import unpack

if TYPE_CHECKING:
    from cogento.events.columns import SubscriptionColumns
    from cogento.events.fields import Json

_DELETIONS = frozenset({"customer.deleted", "customer.subscription.deleted"})


def is_removal(type_: str, obj: Json) -> bool:
    """Tell whether an event of this type says of its object that it has ended."""
    if type_ in _DELETIONS or tells_of_end(type_):
        return True
    if is_about_subscription(type_):
        status = obj.get("status")
        return isinstance(status, str) and status in TERMINAL_STATUSES
    return obj.get("deleted") is True


def outlives_its_customer(columns: SubscriptionColumns, evidence: bytes) -> bool:
    """Tell whether a subscription's row does not show its end yet, for one whose customer is deleted.

    Stripe "immediately cancels any active subscriptions on the customer" (docs.stripe.com/api/customers/delete), so
    its end is certain and only its event is missing: the row is in doubt. Raises OtherReleaseError for evidence that
    another release wrote.
    """
    return columns.status not in TERMINAL_STATUSES and not unpack(evidence).ended
