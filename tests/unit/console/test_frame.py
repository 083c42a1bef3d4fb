"""What every page carries, also one that fails; and the same answer as JSON."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cogento.console.web.frame import DashboardAccount
from tests.support.fake_console import fake_console
from tests.support.figures import letters, queue_figures, table_figures
from tests.unit.console.test_pages import AWAY, BUSY

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from cogento.console.poller import Overview

TROUBLED = replace(
    BUSY,
    queue=queue_figures(waiting=80, parked=2, paused=1),
    tables=table_figures(letters=(letters(395),)),
)
JSON = {"Accept": "application/json"}


def browser(seen: Overview = TROUBLED, account: DashboardAccount | None = None) -> FlaskClient:
    return fake_console(seen, account=account).test_client()


@pytest.mark.parametrize("address", ["/console", "/console/letters", "/console/letters/7", "/nowhere"])
def test_every_page_says_how_many_are_dead(address: str) -> None:
    page = browser().get(address).text
    assert re.search(r'Dead letters <b class="bad">395</b>', page)


def test_a_page_knows_where_it_is() -> None:
    assert '<a href="/console" aria-current="page">' in browser().get("/console").text
    assert '<a href="/console/letters" aria-current="page">' in browser().get("/console/letters").text
    assert '<a href="/console/letters" aria-current="true">' in browser().get("/console/letters/7").text
    assert "aria-current" not in browser().get("/nowhere").text


def test_what_is_not_known_is_not_counted() -> None:
    assert '<b class="' not in browser(AWAY).get("/nowhere").text


def test_live_and_test_are_told_apart() -> None:
    live = DashboardAccount(livemode=True, account="acct_1")
    page = browser(account=live).get("/nowhere").text
    assert '<span class="mode live">LIVE</span>' in page
    assert "acct_1" in page
    assert '<span class="mode">TEST</span>' in browser().get("/nowhere").text


@pytest.mark.parametrize(
    ("account", "id_", "url"),
    [
        (DashboardAccount(livemode=True), "cus_1", "https://dashboard.stripe.com/customers/cus_1"),
        (DashboardAccount(), "sub_1", "https://dashboard.stripe.com/test/subscriptions/sub_1"),
        (
            DashboardAccount(account="acct_1"),
            "evt_1",
            "https://dashboard.stripe.com/acct_1/test/events/evt_1",
        ),
        (DashboardAccount(), "prod_1", "https://dashboard.stripe.com/test/products/prod_1"),
        (DashboardAccount(), "evt_fetched_1", None),
        (DashboardAccount(), "si_1", None),
        (DashboardAccount(), None, None),
        (DashboardAccount(), 'cus_"/><script>', None),
        (DashboardAccount(), "cus_/../../login", None),
    ],
)
def test_stripe_s_dashboard_is_linked_by_mode_and_account(
    account: DashboardAccount, id_: str | None, url: str | None
) -> None:
    assert account.dashboard_url(id_) == url


def test_a_program_is_told_of_a_failure_in_json() -> None:
    answer = browser().get("/console/letters/7", headers=JSON)
    assert (answer.status_code, answer.content_type) == (404, "application/json")
    assert answer.json == {
        "error": {"title": "Not Found", "message": "There is no dead letter of this number."}
    }
    assert answer.headers["Vary"] == "Accept"


def test_a_browser_is_never_answered_in_json() -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    answer = browser().get("/nowhere", headers={"Accept": accept})
    assert answer.content_type.startswith("text/html")
    assert browser().get("/nowhere", headers={"Accept": "*/*"}).content_type.startswith("text/html")
