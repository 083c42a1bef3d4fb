"""One customer is compared with Stripe field by field, and repaired by the same decision as everything."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from cogento.events.names import CustomerId
from cogento.local.stripe.account import Account
from cogento.reconcile import verify_customer
from cogento.reconcile.verify_customer import ComparisonState
from tests.support.policies import change
from tests.support.simulated_stripe import SimulatedStripe, deliver, open_reconciliation, subscription
from tests.support.stripe_histories import START

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.reconcile.verify_customer import ComparedObject, CustomerComparison
    from tests.support.looped import LoopedReconciliation
    from tests.support.post import Post

CUS_1 = CustomerId("cus_1")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once: nothing is on its way."""
    change(monkeypatch, verify_customer, "VERIFY", settle_seconds=0.0)


@pytest.fixture
def stripe() -> Iterator[SimulatedStripe]:
    simulated = SimulatedStripe(Account(Random(1)))
    yield simulated
    simulated.close()


@pytest.fixture
def asking(stripe: SimulatedStripe, post: Post, redis_url: str) -> Iterator[LoopedReconciliation]:
    """Tables that show a customer with a subscription, and another customer."""
    process = open_reconciliation(stripe, post, redis_url)
    for state in (stripe.customer(name="Ada"), stripe.customer("cus_2"), subscription()):
        deliver(post, stripe.account.begin(state, at=START))
        post.drain()
    yield process
    process.close()


def states(found: CustomerComparison) -> dict[str, ComparisonState]:
    return {one.object_id: one.state for one in found.objects}


def differing(one: ComparedObject) -> dict[str, tuple[object, object]]:
    return {field.column: (field.stripe, field.row) for field in one.fields if field.differs}


def test_rows_that_show_what_stripe_says_are_equal_in_every_field(
    stripe: SimulatedStripe, asking: LoopedReconciliation
) -> None:
    before = stripe.requests
    found = asking.verify_customer(CUS_1)
    assert states(found) == {"cus_1": ComparisonState.EQUAL, "sub_1": ComparisonState.EQUAL}
    assert [differing(one) for one in found.objects] == [{}, {}]
    fields = {field.column: (field.stripe, field.row) for field in found.objects[0].fields}
    assert fields["name"] == ("Ada", "Ada")
    assert {"stripe_email", "phone", "address", "metadata", "deleted_at"} <= fields.keys()
    assert {"status", "product_id", "user_id"} <= {field.column for field in found.objects[1].fields}
    assert (found.complete, stripe.requests - before) == (True, 2)


def test_a_field_that_differs_is_shown_with_both_values_and_nothing_is_changed(
    asking: LoopedReconciliation, post: Post
) -> None:
    post.rows("UPDATE users SET name = 'Planted' WHERE stripe_customer_id = 'cus_1'")
    post.rows("UPDATE subscriptions SET status = 'planted'")
    found = asking.verify_customer(CUS_1)
    assert states(found) == {"cus_1": ComparisonState.DIFFERS, "sub_1": ComparisonState.DIFFERS}
    assert differing(found.objects[0]) == {"name": ("Ada", "Planted")}
    assert differing(found.objects[1]) == {"status": ("active", "planted")}
    assert states(asking.verify_customer(CUS_1)) == states(found)


def test_what_differs_is_repaired_and_stands_in_the_ledger(asking: LoopedReconciliation, post: Post) -> None:
    post.rows("UPDATE subscriptions SET status = 'planted'")
    found = asking.verify_customer(CUS_1, repair=True)
    assert states(found) == {"cus_1": ComparisonState.EQUAL, "sub_1": ComparisonState.REPAIRED}
    assert differing(found.objects[1]) == {"status": ("active", "planted")}
    assert post.rows("SELECT status FROM subscriptions")[0]["status"] == "active"
    written = post.rows("SELECT object_id FROM webhook_events WHERE source = 'verify'")
    assert [row["object_id"] for row in written] == ["sub_1"]
    assert states(asking.verify_customer(CUS_1))["sub_1"] is ComparisonState.EQUAL


def test_a_subscription_without_a_row_is_found_by_stripes_list_and_made(
    asking: LoopedReconciliation, post: Post
) -> None:
    post.rows("DELETE FROM subscriptions")
    found = asking.verify_customer(CUS_1, repair=True)
    (missing,) = [one for one in found.objects if one.object_id == "sub_1"]
    assert (missing.state, missing.has_row) == (ComparisonState.REPAIRED, False)
    assert differing(missing)["status"] == ("active", None)
    assert len(post.rows("SELECT FROM subscriptions")) == 1


def test_a_subscription_that_stripe_does_not_know_is_undecided_and_stays(
    asking: LoopedReconciliation, post: Post
) -> None:
    post.rows("UPDATE subscriptions SET stripe_subscription_id = 'sub_none'")
    found = asking.verify_customer(CUS_1, repair=True)
    assert states(found) == {
        "cus_1": ComparisonState.EQUAL,
        "sub_1": ComparisonState.REPAIRED,
        "sub_none": ComparisonState.NOT_IN_STRIPE,
    }


def test_a_deleted_customer_is_compared_and_repaired(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    gone = stripe.account.customers["cus_1"]
    stripe.account.end(replace(gone, deleted=True), at=START + 50)
    found = asking.verify_customer(CUS_1, repair=True)
    assert states(found)["cus_1"] is ComparisonState.REPAIRED
    assert post.rows("SELECT FROM users WHERE deleted_at IS NOT NULL AND stripe_customer_id = 'cus_1'")


def test_what_differs_while_an_event_waits_is_no_difference_yet(
    stripe: SimulatedStripe, asking: LoopedReconciliation, post: Post
) -> None:
    post.mailboxes.pause(CUS_1)
    renamed = replace(stripe.account.customers["cus_1"], name="Bob")
    deliver(post, stripe.account.change(renamed, at=START + 50))
    found = asking.verify_customer(CUS_1, repair=True)
    assert states(found)["cus_1"] is ComparisonState.EVENTS_WAIT
    assert post.rows("SELECT name FROM users WHERE stripe_customer_id = 'cus_1'")[0]["name"] == "Ada"


def test_a_customer_that_nobody_knows_has_nothing_to_compare(asking: LoopedReconciliation) -> None:
    assert asking.verify_customer(CustomerId("cus_none")).objects == []
