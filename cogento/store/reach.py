"""What one batch's transaction locks from its start, in the order that all transactions keep.

A batch learns only under its locks which others it concerns: the claimants of an address that a customer
takes or leaves, the owner of a subscription that moved. Then it takes what nobody else holds, without
waiting, or starts again with a wider reach. So nobody waits out of order, and there are no deadlocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cogento.events.names import CustomerId


@dataclass(frozen=True, slots=True)
class Reach:
    """Customers whose rows are locked, and addresses whose claimants' rows are locked too."""

    customers: frozenset[CustomerId] = frozenset()
    addresses: frozenset[str] = frozenset()

    def __or__(self, other: Reach) -> Reach:
        """Reach as far as both."""
        return Reach(self.customers | other.customers, self.addresses | other.addresses)

    def __le__(self, other: Reach) -> bool:
        """Reach nothing that the other one does not."""
        return self.customers <= other.customers and self.addresses <= other.addresses


class OutOfReachError(Exception):
    """The batch concerns more than its transaction has locked; it must run again with this reach."""

    def __init__(self, wider: Reach) -> None:
        super().__init__("the batch concerns rows that its transaction has not locked")
        self.wider = wider
