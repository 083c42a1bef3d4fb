"""What an invoice is to queue, worker, tables and commands, once docs/adding-an-object.md has made it a kind.

Run by tests/integration/docs/test_adding_an_object.py, in a copy of the project.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from itertools import permutations
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cogento import runtime
from cogento.console.errors import KEY_REFUSED
from cogento.console.stripe_key import ADVICE
from cogento.console.web.frame import DashboardAccount
from cogento.events.envelope import parse_envelope
from cogento.local.stripe.http_server import Response, serving
from cogento.reconcile import refetch, verify
from cogento.store.migrate import migrate
from tests.support.builders import NOW, body, customer, thin_event
from tests.support.databases import let_in
from tests.support.policies import change
from tests.support.simulated_stripe import SimulatedStripe, deliver, open_reconciliation
from tests.support.stripe_asking import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogento.local.stripe.http_server import Request
    from tests.integration.console.conftest import Run
    from tests.support.post import Post

Event = tuple[str, dict[str, Any], dict[str, Any]]
ROWS = "SELECT stripe_invoice_id AS id, status, amount_paid, unsure, last_webhook_event_id AS shown FROM invoices"


def invoice(**fields: Any) -> dict[str, Any]:
    told = {"number": "N-1", "status": "open", "currency": "eur", "amount_due": 1200, "amount_paid": 0}
    frame = {"id": "in_1", "object": "invoice", "customer": "cus_1", "metadata": {}, "created": NOW}
    return {**frame, **told, **fields}


DRAFT = invoice(status="draft", number=None)
PAID = invoice(status="paid", amount_paid=1200)
LIFE: tuple[Event, ...] = (
    ("customer.created", customer(), {"id_": "evt_9"}),
    ("invoice.created", DRAFT, {"id_": "evt_8"}),
    ("invoice.updated", invoice(), {"id_": "evt_7", "before": DRAFT}),
    ("invoice.paid", PAID, {"id_": "evt_1"}),
)


@pytest.mark.parametrize("order", list(permutations(LIFE))[::3])
@pytest.mark.parametrize("at_once", [True, False])
def test_in_whatever_order_its_events_come_and_however_often_the_row_shows_the_last(
    post: Post, order: Sequence[Event], *, at_once: bool
) -> None:
    for type_, object_, fields in (*order, *reversed(order)):
        post.put(type_, object_, **fields)
        if not at_once:
            post.drain()
    post.drain()

    assert post.rows(ROWS) == [
        {"id": "in_1", "status": "paid", "amount_paid": 1200, "unsure": False, "shown": "evt_1"}
    ]
    assert sorted(post.ledger()) == ["evt_1", "evt_7", "evt_8", "evt_9"]


def test_an_invoice_moves_with_its_customer(post: Post) -> None:
    post.put("customer.created", customer("cus_1"), id_="evt_1")
    post.put("customer.created", customer("cus_2"), id_="evt_2")
    post.put("invoice.created", invoice(), id_="evt_3")
    post.drain()
    moved = invoice(customer="cus_2")
    post.put("invoice.updated", moved, before=invoice(), id_="evt_4", created=NOW + 10)
    post.drain()

    owner = "SELECT u.stripe_customer_id AS id FROM invoices AS i INNER JOIN users AS u USING (user_id)"
    assert post.rows(owner) == [{"id": "cus_2"}]


def test_an_unreadable_one_is_a_dead_letter_and_its_customer_goes_on(post: Post) -> None:
    post.put("customer.created", customer(), id_="evt_1")
    post.put("invoice.created", invoice(amount_due="much"), id_="evt_2")
    post.put("invoice.paid", PAID, id_="evt_3", created=NOW + 10)
    post.drain()

    assert post.ledger() == {"evt_1": "applied", "evt_2": "dead", "evt_3": "applied"}


def test_explain_finds_an_invoice_and_shows_it(run: Run, post: Post) -> None:
    for type_, object_, fields in LIFE:
        post.put(type_, object_, **fields)
    post.drain()

    told, records = (
        run("explain", "in_1").output,
        json.loads(run("explain", "in_1", "--json").stdout)["records"],
    )

    assert _line(told, "in_1")[:3] == ["in_1", "paid", "N-1"]
    assert (records["customer"]["customer_id"], records["invoices"][0]["amount_paid"]) == ("cus_1", 1200)


def _line(text: str, first: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith(first))


class StripeWithInvoices(SimulatedStripe):
    """A simulated account that has an invoice besides."""

    def __init__(self) -> None:
        super().__init__()
        self.invoice = PAID
        self._serving = AsyncExitStack()
        self.url = runtime.run(self._serving.enter_async_context(serving(self._answer)))

    async def _answer(self, request: Request) -> Response:
        answer, asked = await self.api.answer(request), dict(request.query)
        is_listed = int(asked.get("created[gte]", 0)) <= NOW < int(asked.get("created[lt]", NOW + 1))
        data = [self.invoice] if is_listed else []
        found: dict[str, object] = {"object": "list", "data": data, "has_more": False}
        if request.path == "/v1/invoices/in_1":
            found = self.invoice
        elif request.path != "/v1/invoices":
            return answer
        return Response(200, json.dumps(found).encode(), {"Date": answer.headers["Date"]})

    def close(self) -> None:
        runtime.run(self._serving.aclose())
        super().close()


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeWithInvoices]:
    change(monkeypatch, verify, "VERIFY", settle_seconds=0.0)
    change(monkeypatch, refetch, "REFETCH", quiet_seconds=0)
    simulated = StripeWithInvoices()
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    monkeypatch.setenv("STRIPE_API_BASE", simulated.url)
    monkeypatch.setenv("STRIPE_REQUESTS_PER_SECOND", "1000")
    yield simulated
    simulated.close()


def test_a_backfill_brings_it_and_verify_repairs_it(
    run: Run, stripe: StripeWithInvoices, post: Post, database_url: str
) -> None:
    stripe.account.begin(stripe.customer("cus_1"), at=NOW)

    filled = run("backfill")
    stripe.now += 100
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE invoices SET amount_paid = 1")
    differs = run("verify")
    repaired = run("verify", "--repair")

    assert filled.exit_code == 0, filled.output
    assert _line(filled.stdout, "invoices")[:3] == ["invoices", "1", "1"]
    assert differs.exit_code == 3
    assert _line(differs.output, "invoices")[:4] == ["invoices", "amount_paid", "1", "in_1"]
    assert repaired.exit_code == 0, repaired.output
    assert [row["amount_paid"] for row in post.rows(ROWS)] == [1200]


def test_stripe_is_asked_for_what_a_thin_event_names(
    stripe: StripeWithInvoices, post: Post, redis_url: str
) -> None:
    deliver(post, stripe.account.begin(stripe.customer("cus_1"), at=NOW))
    related = {"id": "in_1", "type": "invoice", "url": "/v1/invoices/in_1"}
    thin = body(thin_event("v1.invoice.paid", "in_1", related_object=related))
    post.mailboxes.put([parse_envelope(thin, now=NOW)])
    post.drain()
    asking = open_reconciliation(stripe, post, redis_url)
    asking.ask()
    post.drain()
    asking.close()

    assert [(row["id"], row["status"]) for row in post.rows(ROWS)] == [("in_1", "paid")]


def test_check_looks_at_the_rights_on_its_table(
    run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = let_in(
        "knows_no_invoices",
        database_url,
        "GRANT USAGE ON SCHEMA cogento_internal TO knows_no_invoices",
        "GRANT ALL ON ALL TABLES IN SCHEMA public, cogento_internal TO knows_no_invoices",
        "REVOKE UPDATE ON invoices FROM knows_no_invoices",
    )
    monkeypatch.setenv("DATABASE_URL", url)

    assert "this user may not read and write invoices\n" in run("check").output


def test_whoever_makes_a_key_is_told_that_it_must_read_invoices() -> None:
    assert "Customers, Subscriptions, Invoices and Events" in ADVICE
    assert "customers, subscriptions, invoices and events" in KEY_REFUSED


def test_pages_lead_to_it_in_stripes_dashboard() -> None:
    url = DashboardAccount(livemode=True).dashboard_url("in_1")
    assert url == "https://dashboard.stripe.com/invoices/in_1"


def test_its_changes_are_announced(post: Post, database_url: str) -> None:
    migrate(database_url, changes=True)
    for type_, object_, fields in LIFE:
        post.put(type_, object_, **fields)
        post.drain()
    told = post.rows(
        "SELECT action, object_id, status_after, columns FROM changes WHERE kind = 'invoice' ORDER BY change_id"
    )
    assert [(row["action"], row["object_id"], row["status_after"]) for row in told] == [
        ("insert", "in_1", "draft"),
        ("update", "in_1", "open"),
        ("update", "in_1", "paid"),
    ]
    assert told[2]["columns"] == ["status", "amount_paid"]
