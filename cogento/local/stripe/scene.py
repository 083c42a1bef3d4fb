"""What an action works on: the account, chance, and the second it happens in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cogento.local.stripe.account import Account
from cogento.local.stripe.objects import Customer, Subscription

if TYPE_CHECKING:
    from random import Random

_DRAWS = 6
_NEXT_SECOND_SHARE = 0.15


@dataclass(slots=True)
class Scene:
    """One burst of events, all in the second `at` unless a `pause` runs into the next one."""

    account: Account
    at: int
    ran_over: bool = False

    @property
    def random(self) -> Random:
        """The account's own chance."""
        return self.account.random

    def happens(self, share: float) -> bool:
        """True in this share of the cases."""
        return self.random.random() < share

    def pause(self) -> None:
        """Let the burst run into the next second now and then, as a checkout does; never further."""
        if not self.ran_over and self.happens(_NEXT_SECOND_SHARE):
            self.ran_over = True
            self.at += 1

    def customer(self) -> Customer | None:
        """A live customer."""
        an_id = self.account.live_customers.draw(self.random)
        return self.account.customers[an_id] if an_id else None

    def customer_with_email(self, *, other_than: Customer) -> Customer | None:
        """Another live customer with an address, when a few draws find one."""
        drawn = [self.customer() for _ in range(_DRAWS)]
        return next((one for one in drawn if one and one.email and one.id != other_than.id), None)

    def subscription(self, *statuses: str) -> Subscription | None:
        """A subscription that has not ended, in one of these statuses, when a few draws find one."""
        drawn = [self.account.live_subscriptions.draw(self.random) for _ in range(_DRAWS)]
        found = [self.account.subscriptions[an_id] for an_id in drawn if an_id]
        return next((one for one in found if one.status in statuses), None)

    def change(self, state: Customer | Subscription, /, **changed: Any) -> None:
        """Change some fields of an object's current state."""
        current = self.account.find(state.id)
        if current is not None:
            self.account.change(replace(current, **changed), at=self.at)
