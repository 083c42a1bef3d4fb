"""A simulated account behind real HTTP, beside real mailboxes and tables, for tests of asking Stripe."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING

from cogento import runtime
from cogento.events.envelope import parse_envelope
from cogento.events.fence import Fence
from cogento.local.stripe.account import Account
from cogento.local.stripe.api import Api
from cogento.local.stripe.compare import Comparison, Difference, compare
from cogento.local.stripe.errors import Fault, Faults
from cogento.local.stripe.events import thin_body, webhook_body
from cogento.local.stripe.http_server import serving
from cogento.local.stripe.objects import CATALOGUE, Customer, Item, Subscription
from cogento.local.stripe.truth import Truth, truth
from cogento.queue.rate_limiter import RateLimiter
from cogento.queue.redis_client import connect
from cogento.reconcile.enqueue import Enqueuer
from cogento.reconcile.reconciliation import CONNECTIONS, Reconciliation
from cogento.reconcile.stripe import Stripe
from cogento.settings import AskingSettings
from cogento.store.store import Store
from tests.support.looped import LoopedReconciliation
from tests.support.servers import PATIENT_SECONDS
from tests.support.stripe_asking import KEY, EverythingDelivered
from tests.support.stripe_histories import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cogento.local.stripe.events import AccountEvent
    from tests.support.post import Post

FAST = 1000
EVERYTHING_SIMULATED = Fence(livemode=False, account=None)


class SimulatedStripe:
    """An account whose clock the test moves; it reports every event as delivered."""

    def __init__(self, account: Account | None = None, *, api_key: str = KEY) -> None:
        self.account = account or Account(Random(1))
        self.now = START + 100
        self.faults = Faults(Random(1))
        self.api = Api(
            self.account, EverythingDelivered(), self.faults, api_key=api_key, now=lambda: self.now
        )
        self._running = AsyncExitStack()
        self.url = runtime.run(self._running.enter_async_context(serving(self.api.answer)))

    def close(self) -> None:
        """Stop serving."""
        runtime.run(self._running.aclose())

    @property
    def requests(self) -> int:
        """How many requests came."""
        return self.api.requests.total()

    def trouble(self, *faults: Fault) -> None:
        """Meet requests with these faults from now on, and with no others."""
        self.faults.replace(faults)

    def customer(self, id_: str = "cus_1", **fields: object) -> Customer:
        """A customer's state, to begin or change one with."""
        plain = {"created": START, "invoice_prefix": "7FE", "metadata": {}, "email": f"{id_}@example.com"}
        return Customer(id=id_, **{**plain, **fields})  # type: ignore[arg-type]


def subscription(id_: str = "sub_1", *, of: str = "cus_1") -> Subscription:
    """A subscription's state, to begin one with."""
    price = CATALOGUE[0]
    return Subscription(
        id=id_,
        customer=of,
        created=START,
        status="active",
        items=(Item("si_1", START, price, 1, START, price.end_of_period(START)),),
        metadata={},
        billing_cycle_anchor=START,
    )


def deliver(post: Post, *events: AccountEvent | None) -> None:
    """Put events into mailboxes, as their webhooks would."""
    told = [parse_envelope(webhook_body(one), now=one.created) for one in events if one]
    for first in range(0, len(told), 50):  # a put has a second, however busy the machine
        post.mailboxes.put(told[first : first + 50])


def notify(post: Post, *events: AccountEvent | None) -> None:
    """Put the thin twins of events into mailboxes, as their webhooks would."""
    told = [event for event in events if event]
    post.mailboxes.put([parse_envelope(thin_body(one), now=one.created) for one in told])


def open_stripe(stripe: SimulatedStripe, redis_url: str) -> Stripe:
    """Open our access to the simulated account."""
    settings = AskingSettings.model_validate(
        {"stripe_api_base": stripe.url, "stripe_requests_per_second": FAST}
    )
    return Stripe.connect(
        settings,
        KEY,
        RateLimiter(connect(redis_url, timeout_seconds=PATIENT_SECONDS), requests_per_second=FAST),
    )


def open_reconciliation(
    stripe: SimulatedStripe,
    post: Post,
    redis_url: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    fence: Fence = EVERYTHING_SIMULATED,
) -> LoopedReconciliation:
    """Open one process's Reconciliation; `clock` is the time of its pauses."""
    store = runtime.run(
        Store.open(post.database_url, pool_size=CONNECTIONS, application_name="test of asking")
    )
    enqueuer = Enqueuer(post.mailboxes.looped, lambda: None)  # tests drain by hand
    process = Reconciliation(
        store, post.mailboxes.looped, open_stripe(stripe, redis_url), enqueuer, fence=fence, clock=clock
    )
    return LoopedReconciliation(process)


def compared(stripe: SimulatedStripe, post: Post) -> Comparison:
    """Compare the tables with the account."""
    return runtime.run(compare(post.database_url, truth(stripe.account)))


def differences(stripe: SimulatedStripe, post: Post) -> tuple[Difference, ...]:
    """Return where the tables differ from what Stripe can still answer."""
    found = compared(stripe, post).differences
    return askable(found, truth(stripe.account))


def askable(found: Iterable[Difference], whole: Truth) -> tuple[Difference, ...]:
    """Leave out what Stripe no longer answers: deleted customers that no subscription names, and when a deleted one was created."""
    owners = {one.stripe_customer_id for one in whole.subscriptions}
    deleted = {one.stripe_customer_id for one in whole.users if one.deleted}
    untold = {(id_, "row") for id_ in deleted - owners} | {(id_, "stripe_created_at") for id_ in deleted}
    return tuple(one for one in found if one.found is not None or (one.stripe_id, one.column) not in untold)
