"""The customer's page over real servers: found by any id, its subscriptions with why, its events on one timeline."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.console.customers import EVENTS_SHOWN, CustomerService
from cogento.events.names import CustomerId, EventId
from cogento.local.ports import free_port
from cogento.queue.circuit import Dependency
from cogento.queue.claims import Settlement
from cogento.store.store import Store
from tests.support import builders
from tests.support.fake_console import fake_console
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from tests.support.looped import LoopedMailboxes
    from tests.support.stores import Happened

NOW = builders.NOW
ADA = builders.customer("cus_ada", email="ada@example.com", name="Ada")
PLAN = builders.subscription("sub_ada", customer="cus_ada", status="active")
SCRIPT = "<script>alert(1)</script>"


def browser_of(mailboxes: LoopedMailboxes, store: Store) -> FlaskClient:
    customers = CustomerService(mailboxes.looped, store)
    return fake_console(mailboxes=mailboxes.looped, customers=customers).test_client()


@pytest.fixture
def browser(mailboxes: LoopedMailboxes, store: Store) -> FlaskClient:
    return browser_of(mailboxes, store)


def events(page: str) -> list[str]:
    """The events on the timeline, in the page's order."""
    timeline = page[page.index("Timeline, newest first") :] if "Timeline, newest first" in page else ""
    return re.findall(r'<td data-th="Event">.*?>(evt_\w+)</a>', timeline)


def every_page(browser: FlaskClient, address: str | None) -> list[str]:
    """The events of a page and of all older ones."""
    seen: list[str] = []
    while address:
        page = browser.get(address).text
        seen += events(page)
        older = re.search(r'<a href="([^"]*)">Older →', page)
        address = html.unescape(older[1]) if older else None
    return seen


def happen(applied: Happened, total: int) -> None:
    """So many changes of one customer, four in each second."""
    for number in range(total):
        changed = ADA | {"name": f"Ada {number}"}
        applied("customer.updated", changed, id_=f"evt_{number}", created=NOW + number // 4)


def press(browser: FlaskClient, action: str, **fields: str) -> TestResponse:
    """Send one of the page's forms, with the token that the page gave."""
    page = browser.get("/console/customers/cus_ada").text
    token = re.findall(r'name="token" value="([^"]+)"', page)[0]
    return browser.post(f"/console/customers/cus_ada/{action}", data={"token": token, **fields})


def test_a_customer_is_paused_and_resumed_for_reasons_that_are_kept(
    browser: FlaskClient, waiting: Happened, mailboxes: LoopedMailboxes, store: Store
) -> None:
    waiting("customer.created", ADA)
    answer = press(browser, "pause", why="INC-7")
    assert (answer.status_code, answer.location) == (303, "/console/customers/cus_ada")
    assert mailboxes.view(CustomerId("cus_ada")).state == "paused"
    page = browser.get("/console/customers/cus_ada").text
    assert "INC-7" in page
    assert ">Resume</button>" in page
    assert press(browser, "pause", why="again").status_code == 409
    assert press(browser, "resume", why="fixed").status_code == 303
    assert mailboxes.view(CustomerId("cus_ada")).state == "ready"
    done = [
        (one.action, one.who, one.about, one.why) for one in runtime.run(store.activity.page(about="cus_ada"))
    ]
    assert done == [
        ("resume", "local (console)", "cus_ada", "fixed"),
        ("pause", "local (console)", "cus_ada", "INC-7"),
    ]


def test_what_waits_for_its_customer_can_be_tried_now(
    browser: FlaskClient, waiting: Happened, mailboxes: LoopedMailboxes
) -> None:
    waiting("customer.subscription.created", PLAN, id_="evt_plan")
    claim = mailboxes.claim(max_customers=1, max_events=1, lease_seconds=60)
    assert claim is not None
    mailboxes.settle(claim, [Settlement(CustomerId("cus_ada"), parked=(EventId("evt_plan"),))])
    assert ">Try now</button>" in browser.get("/console/customers/cus_ada").text
    assert press(browser, "try-now", why="it is there now").status_code == 303
    assert mailboxes.view(CustomerId("cus_ada")).parked_total == 0
    assert ">Try now</button>" not in browser.get("/console/customers/cus_ada").text
    assert press(browser, "try-now", why="again").status_code == 409


def test_a_customer_is_forgotten_after_the_plan_was_shown_and_the_id_was_typed(
    browser: FlaskClient, applied: Happened, waiting: Happened, store: Store
) -> None:
    applied("customer.created", ADA, id_="evt_1")
    waiting("customer.updated", ADA, id_="evt_2")
    plan = browser.get("/console/customers/cus_ada/forget").text
    assert "<dt>Customers</dt><dd>1</dd>" in plan
    assert "<dt>Waiting events</dt><dd>1</dd>" in plan
    for typed in ({}, {"confirm": "cus_bob"}, {"confirm": "cus_ada", "why": "Ada@example.com asked"}):
        refused = press(browser, "forget", **{"why": "request 4711", **typed})
        assert refused.status_code == 400
        assert typed.get("why", "request 4711") in refused.text
    assert "Ada" in browser.get("/console/customers/cus_ada").text
    done = press(browser, "forget", why="request 4711", confirm="cus_ada")
    assert (done.status_code, "Forgotten" in done.text) == (200, True)
    assert "ada@example.com" not in browser.get("/console/customers/cus_ada").text
    (entry,) = runtime.run(store.activity.page(action="forget"))
    assert (entry.who, entry.about, entry.why) == ("local (console)", "cus_ada", "request 4711")


def test_nobody_is_forgotten_who_is_not_here(browser: FlaskClient) -> None:
    assert browser.get("/console/customers/cus_nobody/forget").status_code == 404
    assert browser.get("/console/customers/sub_1/forget").status_code == 400


def test_without_a_key_nothing_is_compared(browser: FlaskClient, applied: Happened) -> None:
    applied("customer.created", ADA)
    assert "Compare with Stripe" not in browser.get("/console/customers/cus_ada").text
    answer = press(browser, "compare")
    assert (answer.status_code, "set STRIPE_API_KEY" in answer.text) == (503, True)


@pytest.mark.parametrize("action", ["pause", "resume", "try-now"])
def test_nothing_is_done_to_a_customer_without_a_reason(
    browser: FlaskClient, waiting: Happened, mailboxes: LoopedMailboxes, action: str
) -> None:
    waiting("customer.created", ADA)
    assert press(browser, action, why="  ").status_code == 400
    assert mailboxes.paused().customers == ()


def test_only_customers_can_be_paused(
    browser: FlaskClient, waiting: Happened, mailboxes: LoopedMailboxes
) -> None:
    waiting("customer.created", ADA)
    token = re.findall(r'name="token" value="([^"]+)"', browser.get("/console/customers/cus_ada").text)[0]
    answer = browser.post("/console/customers/sub_1/pause", data={"token": token, "why": "x"})
    assert answer.status_code == 400
    assert mailboxes.paused().customers == ()


@pytest.mark.parametrize(
    ("asked", "address"),
    [
        ("cus_ada", "/console/customers/cus_ada"),
        (" ada@example.com ", "/console/customers/cus_ada"),
        ("Ada@Example.COM", "/console/customers/cus_ada"),
        ("sub_ada", "/console/customers/cus_ada?object=sub_ada"),
        ("evt_plan", "/console/customers/cus_ada?event=evt_plan"),
    ],
)
def test_whatever_is_asked_leads_to_the_customer(
    browser: FlaskClient, applied: Happened, asked: str, address: str
) -> None:
    applied("customer.created", ADA, id_="evt_ada")
    applied("customer.subscription.created", PLAN, id_="evt_plan", created=NOW + 1)
    token = re.findall(r'name="token" value="([^"]+)"', browser.get("/console").text)[0]
    answer = browser.post("/console/search", data={"id": asked, "token": token})
    assert (answer.status_code, answer.location) == (303, address)
    assert browser.get(answer.location).status_code == 200


def test_a_subscription_shows_its_status_and_the_event_behind_it(
    browser: FlaskClient, applied: Happened
) -> None:
    applied("customer.created", ADA, id_="evt_ada")
    applied("customer.subscription.created", PLAN, id_="evt_plan", created=NOW + 1)
    page = browser.get("/console/customers/cus_ada").text
    row = page[page.index("<caption>Subscriptions") : page.index("Timeline")]
    assert '<i class="good">active</i>' in row
    assert "customer.subscription.created, <time" in row
    assert ">evt_plan</a>" in row


def test_the_timeline_shows_how_a_status_changed_and_says_nothing_of_other_changes(
    browser: FlaskClient, applied: Happened
) -> None:
    applied("customer.created", ADA, id_="evt_0")
    overdue = PLAN | {"status": "past_due"}
    for second, (type_, before, after) in enumerate(
        [
            ("created", None, PLAN),
            ("updated", PLAN, overdue),
            ("updated", PLAN | {"metadata": {"a": "b"}}, PLAN),
        ]
    ):
        applied(
            f"customer.subscription.{type_}",
            after,
            before=before,
            created=NOW + second,
            id_=f"evt_{second + 1}",
        )
    page = browser.get("/console/customers/cus_ada?object=sub_ada").text
    changes = re.findall(r'<td data-th="Change"><span[^>]*>([^<]*)</span>', page)
    assert [change.strip() for change in changes] == [
        "updated",
        "updated active → past_due",
        "created active",
    ]


def test_the_timeline_shows_every_object_newest_first(browser: FlaskClient, applied: Happened) -> None:
    applied("customer.created", ADA, id_="evt_1")
    applied("customer.subscription.created", PLAN, id_="evt_2", created=NOW + 1)
    applied("customer.updated", ADA, id_="evt_3", created=NOW + 2)
    page = browser.get("/console/customers/cus_ada").text
    assert events(page) == ["evt_3", "evt_2", "evt_1"]
    assert events(browser.get("/console/customers/cus_ada?object=sub_ada").text) == ["evt_2"]
    assert events(browser.get("/console/customers/cus_ada?object=cus_ada").text) == ["evt_3", "evt_1"]
    assert events(browser.get("/console/customers/cus_ada?changes=1").text) == ["evt_2", "evt_1"]


def test_the_event_that_was_asked_for_is_explained_and_marked(
    browser: FlaskClient, applied: Happened
) -> None:
    applied("customer.created", ADA, id_="evt_1")
    applied("customer.updated", ADA, id_="evt_2", created=NOW + 2)
    page = browser.get("/console/customers/cus_ada?event=evt_2").text
    assert "<li>evt_2: no change" in page
    assert page.count('<tr class="asked">') == 1
    assert page.index('<tr class="asked">') < page.index(">evt_2</a>") < page.index(">evt_1</a>")


def test_an_event_of_somebody_else_does_not_change_whose_page_it_is(
    browser: FlaskClient, applied: Happened
) -> None:
    applied("customer.created", ADA, id_="evt_1")
    applied("customer.created", builders.customer("cus_bob", email="bob@example.com"), id_="evt_2")
    page = browser.get("/console/customers/cus_ada?event=evt_2").text
    assert "ada@example.com" in page
    assert "bob@example.com" not in page


def test_the_timeline_is_paged_through_without_gaps_or_repetition(
    browser: FlaskClient, applied: Happened
) -> None:
    applied("customer.created", ADA, id_="evt_first", created=NOW - 1)
    happen(applied, total := 2 * EVENTS_SHOWN + 3)
    seen = every_page(browser, "/console/customers/cus_ada")
    assert len(seen) == len(set(seen)) == total + 1
    assert seen[-1] == "evt_first"


def test_a_dead_event_leads_to_its_letter(browser: FlaskClient, applied: Happened, store: Store) -> None:
    applied("customer.created", ADA, id_="evt_0", created=NOW - 1)
    runtime.run(store.insert_dead_letters([letter("1", customer_id="cus_ada", object_id="cus_ada")]))
    number = runtime.run(store.letters.page())[0].id
    page = browser.get("/console/customers/cus_ada").text
    assert events(page) == ["evt_1", "evt_0"]
    assert page.count(f'href="/console/letters/{number}"') == 2  # on the timeline, and among the open ones


def test_what_waits_is_shown_where_there_is_no_row(browser: FlaskClient, waiting: Happened) -> None:
    waiting("customer.created", ADA, id_="evt_w")
    page = browser.get("/console/customers/cus_ada").text
    assert "Waiting, oldest first" in page
    assert "No processed events like these." in page


def test_text_from_stripe_is_shown_as_text(browser: FlaskClient, applied: Happened) -> None:
    applied("customer.created", ADA | {"name": SCRIPT, "email": f"{SCRIPT}@example.com"})
    page = browser.get("/console/customers/cus_ada").text
    assert SCRIPT not in page
    assert html.escape(SCRIPT) in page


@pytest.mark.parametrize("address", ["customers/cus_nobody", "explain?id=cus_nobody", "explain?id=evt_9"])
def test_an_unknown_id_is_not_found(browser: FlaskClient, address: str) -> None:
    assert browser.get(f"/console/{address}").status_code == 404


@pytest.mark.parametrize("field", ["object", "event", "below"])
def test_an_unknown_filter_finds_nothing_and_breaks_nothing(
    browser: FlaskClient, applied: Happened, field: str
) -> None:
    applied("customer.created", ADA, id_="evt_1")
    assert browser.get(f"/console/customers/cus_ada?{field}={SCRIPT}").status_code == 200
    assert browser.get(f"/console/customers/cus_ada?{field}=%00").status_code == 400
    assert browser.get(f"/console/customers/cus_ada?{field}={'x' * 256}").status_code == 400


def test_programs_get_it_as_json(browser: FlaskClient, applied: Happened) -> None:
    applied("customer.created", ADA, id_="evt_1")
    applied("customer.subscription.created", PLAN, id_="evt_2", created=NOW + 1)
    told = browser.get("/console/customers/cus_ada", headers={"Accept": "application/json"}).json
    assert told is not None
    assert told["records"]["subscriptions"][0]["status"] == "active"
    assert [one["event"]["event_id"] for one in told["timeline"]] == ["evt_2", "evt_1"]


def test_postgres_away_leaves_a_page_of_what_waits(mailboxes: LoopedMailboxes, waiting: Happened) -> None:
    waiting("customer.created", ADA)
    circuit = mailboxes.circuit(Dependency.POSTGRES)
    circuit.failed("ConnectionRefusedError", begun_ms=1, errors_limit=1, probe_after_seconds=5)
    url = f"postgresql://cogento@127.0.0.1:{free_port()}/cogento"
    store = runtime.run(Store.open(url, pool_size=1, application_name="test"))
    answer = browser_of(mailboxes, store).get("/console/customers/cus_ada")
    assert answer.status_code == 503
    assert "postgres" in answer.text
    assert "The tables could not be read" in answer.text
    assert "Waiting, oldest first" in answer.text


def test_page_of_an_unsure_row_names_the_events_that_tie(browser: FlaskClient, applied: Happened) -> None:
    grace = ADA | {"name": "Grace"}
    applied("customer.updated", grace, before=ADA, id_="evt_there")
    applied("customer.updated", ADA, before=grace, id_="evt_back")
    page = browser.get("/console/customers/cus_ada").text
    assert "Events of cus_ada whose order is unknown" in page
    assert "yes, and is shown" in page
