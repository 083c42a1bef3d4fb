"""What happens to an account next: one weighted action at a time, drawn from the account's own Random.

Until the population is reached customers mostly sign up; then as many come as go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from cogento.local.stripe import customer_actions as of_customers
from cogento.local.stripe import subscription_actions as of_subscriptions
from cogento.local.stripe.account import Account, Burst
from cogento.local.stripe.events import AccountEvent
from cogento.local.stripe.subscription_actions import sign_up

Action = Callable[[Burst], None]

WEIGHTS: dict[Action, int] = {
    of_customers.edit_metadata: 10,
    of_customers.waver: 5,
    of_customers.rename: 4,
    of_customers.move_house: 3,
    of_customers.change_email: 3,
    of_customers.drop_email: 1,
    of_customers.share_email: 3,
    of_customers.swap_emails: 3,
    of_customers.delete_customer: 2,
    of_subscriptions.subscribe_again: 4,
    of_subscriptions.pay_late: 2,
    of_subscriptions.expire: 1,
    of_subscriptions.change_plan: 8,
    of_subscriptions.change_quantity: 6,
    of_subscriptions.add_or_remove_item: 3,
    of_subscriptions.edit_metadata: 8,
    of_subscriptions.waver: 5,
    of_subscriptions.edit_after_the_end: 1,
    of_subscriptions.announce_trial_end: 2,
    of_subscriptions.end_trial: 3,
    of_subscriptions.renew: 8,
    of_subscriptions.fail_payment: 5,
    of_subscriptions.recover: 4,
    of_subscriptions.give_up: 2,
    of_subscriptions.resume: 2,
    of_subscriptions.pause_or_resume_collection: 3,
    of_subscriptions.schedule_or_keep: 4,
    of_subscriptions.leave_at_period_end: 2,
    of_subscriptions.cancel_now: 3,
}
DECREASES: dict[Action, int] = {
    of_customers.set_next_invoice_number: 4,
    of_subscriptions.change_interval_on_its_anchor: 4,
}
"""Actions that lower numbers which mostly grow, for histories that ask for them."""

_SIGN_UP_SHARE_WHEN_SMALL = 0.6
_TRIES = 8


class AccountActivity:
    """Lets an account grow to `population` live customers and stay around that number."""

    def __init__(
        self, account: Account, *, population: int, weights: Mapping[Action, int] = MappingProxyType(WEIGHTS)
    ) -> None:
        self.account = account
        self.population = population
        self._actions = tuple(weights)
        self._weights = tuple(weights.values())

    def step(self, at: int) -> Sequence[AccountEvent]:
        """Let one thing happen in the second `at`; never returns nothing."""
        before = len(self.account.events)
        for action in self._next_actions():
            action(Burst(self.account, at))
            if len(self.account.events) > before:
                break
        return self.account.events[before:]

    def _next_actions(self) -> Sequence[Action]:
        random = self.account.random
        is_small = len(self.account.live_customers) < self.population
        if is_small and random.random() < _SIGN_UP_SHARE_WHEN_SMALL:
            return (sign_up,)
        return (*random.choices(self._actions, self._weights, k=_TRIES), sign_up)
