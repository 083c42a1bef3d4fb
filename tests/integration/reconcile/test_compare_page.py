"""The console compares a customer with Stripe in two columns, and writes Stripe's values once a reason is given."""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.console.customers import CustomerService
from cogento.local.stripe.account import Account
from cogento.reconcile import verify_customer
from cogento.store.store import Store
from tests.support.fake_console import fake_console
from tests.support.policies import change
from tests.support.simulated_stripe import SimulatedStripe, deliver, open_reconciliation
from tests.support.stores import lend_store
from tests.support.stripe_histories import START

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from tests.support.post import Post

PAGE = "/console/customers/cus_1"
PLANTED = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once: nothing is on its way."""
    change(monkeypatch, verify_customer, "VERIFY", settle_seconds=0.0)


@pytest.fixture
def store(post: Post) -> Iterator[Store]:
    yield from lend_store(post.database_url, pool_size=2)


@pytest.fixture
def browser(post: Post, store: Store, redis_url: str) -> Iterator[FlaskClient]:
    """A console with a key; the row of its customer is not what Stripe says."""
    stripe = SimulatedStripe(Account(Random(1)))
    reconciliation = open_reconciliation(stripe, post, redis_url)
    deliver(post, stripe.account.begin(stripe.customer(name="Ada"), at=START))
    post.drain()
    post.rows(f"UPDATE users SET name = '{PLANTED}' WHERE stripe_customer_id = 'cus_1'")
    customers = CustomerService(post.mailboxes.looped, store, reconciliation.looped)
    app = fake_console(customers=customers)
    yield app.test_client()
    reconciliation.close()
    stripe.close()


def press(browser: FlaskClient, action: str, **fields: str) -> TestResponse:
    token = re.findall(r'name="token" value="([^"]+)"', browser.get(PAGE).text)[0]
    return browser.post(f"{PAGE}/{action}", data={"token": token, **fields})


def rows_of(page: str, column: str) -> list[str]:
    """What the two columns say of one field, without their tags."""
    row = next(row for row in re.findall(r"<tr.*?</tr>", page, re.DOTALL) if f"<span>{column}" in row)
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
    return [re.sub(r"<[^>]*>|\s", "", cell) for cell in cells[1:]]


def test_both_sides_are_shown_and_nothing_is_changed(browser: FlaskClient, post: Post, store: Store) -> None:
    page = press(browser, "compare").text
    assert "1 of 1 rows differ from Stripe" in page
    assert rows_of(page, "name") == ["Ada", "&lt;script&gt;alert(1)&lt;/script&gt;"]
    assert rows_of(page, "deleted_at") == ["false", "false"]
    assert PLANTED not in page
    assert post.rows("SELECT name FROM users")[0]["name"] == PLANTED
    (entry,) = runtime.run(store.activity.page(action="verify"))
    assert (entry.who, entry.about, entry.details["differ"]) == ("local (console)", "cus_1", 1)


def test_what_stripe_says_is_written_for_a_reason(browser: FlaskClient, post: Post, store: Store) -> None:
    assert press(browser, "repair", why=" ").status_code == 400
    assert post.rows("SELECT name FROM users")[0]["name"] == PLANTED
    page = press(browser, "repair", why="INC-7").text
    assert "The rows show what Stripe says" in page
    assert post.rows("SELECT name FROM users")[0]["name"] == "Ada"
    (entry,) = runtime.run(store.activity.page(action="repair"))
    assert (entry.why, entry.details["repaired"]) == ("INC-7", 1)
    assert "No row is known to differ from Stripe" in press(browser, "compare").text


def test_only_a_customer_is_compared(browser: FlaskClient) -> None:
    token = re.findall(r'name="token" value="([^"]+)"', browser.get(PAGE).text)[0]
    assert browser.post("/console/customers/sub_1/compare", data={"token": token}).status_code == 400
