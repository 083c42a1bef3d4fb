"""Who waits, and what an operator does about it, over mailboxes whose Redis is a fake that runs the real Lua."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from cogento.console.web.access import LocalAccess
from cogento.console.web.login import ConsoleRole, User
from cogento.events.names import CustomerId
from tests.support.fake_console import FakeCustomers, fake_console
from tests.support.fake_redis import FakeRedis
from tests.support.looped import LoopedMailboxes
from tests.support.mailbox_builders import envelope
from tests.unit.console.test_pages import BUSY

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

CUS_A = CustomerId("cus_a")
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def mailboxes() -> LoopedMailboxes:
    return LoopedMailboxes.on(FakeRedis())


def browser(mailboxes: LoopedMailboxes, role: ConsoleRole = ConsoleRole.OPERATOR) -> FlaskClient:
    customers, login = FakeCustomers(mailboxes=mailboxes.looped), LocalAccess(User("ops-1", role))
    return fake_console(BUSY, mailboxes=mailboxes.looped, customers=customers, login=login).test_client()


def send(client: FlaskClient, action: str, **fields: str) -> TestResponse:
    """Send the form, with the token that the page gave."""
    token = re.findall(r'name="token" value="([^"]+)"', client.get("/console/waiting").text)[0]
    return client.post(f"/console/waiting/{action}", data={"token": token, **fields})


def test_each_customer_is_shown_with_what_it_waits_for(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1"), envelope("evt_2", customer="cus_b")])
    mailboxes.pause(CUS_A, who="ops-1 (console)", why="INC-7")
    page = browser(mailboxes).get("/console/waiting").text
    assert "by ops-1 (console) just now (INC-7)" in page
    assert ">All 2</a>" in page
    assert ">Paused 1</a>" in page
    assert ">Queued 1</a>" in page


def test_the_address_chooses_a_state_and_a_customer(mailboxes: LoopedMailboxes) -> None:
    mailboxes.put([envelope("evt_1"), envelope("evt_2", customer="cus_b")])
    mailboxes.pause(CUS_A)
    client = browser(mailboxes)
    paused = client.get("/console/waiting?state=paused").text
    assert ("/customers/cus_a" in paused, "/customers/cus_b" in paused) == (True, False)
    one = client.get("/console/waiting?customer=cus_b").text
    assert ("/customers/cus_a" in one, "/customers/cus_b" in one) == (False, True)


def test_the_page_promises_as_many_customers_of_a_state_as_it_lists(
    mailboxes: LoopedMailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogento.console.web.waiting.LISTED_OF_EACH", 1)
    monkeypatch.setattr("cogento.console.web.waiting.LISTED_OF_ONE", 2)
    mailboxes.put([envelope(f"evt_{number}", customer=f"cus_{number}") for number in range(4)])
    client = browser(mailboxes)
    assert (
        "3 more queued not listed: choose the state for up to 2 of them."
        in client.get("/console/waiting").text
    )
    assert "2 more queued not listed." in client.get("/console/waiting?state=queued").text


@pytest.mark.parametrize("query", ["state=dead", "customer=sub_1", "customer=%00", "customer=<script>"])
def test_an_address_that_names_no_state_and_no_customer_is_refused(
    mailboxes: LoopedMailboxes, query: str
) -> None:
    assert browser(mailboxes).get(f"/console/waiting?{query}").status_code == 400


def test_the_page_as_json_has_the_keys_of_the_command(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(CUS_A, who="ops-1", why="INC-7")
    answer = browser(mailboxes).get("/console/waiting", headers={"Accept": "application/json"})
    found = json.loads(answer.text)
    assert sorted(found) == ["customers", "everything_paused", "now_ms", "rows", "unlisted"]
    assert (found["rows"][0]["customer_id"], found["rows"][0]["why"]) == ("cus_a", "INC-7")


def test_a_customer_is_paused_and_resumed_with_who_and_why(mailboxes: LoopedMailboxes) -> None:
    client = browser(mailboxes)
    answer = send(client, "pause", customer="cus_a", why=" INC-7 ", state="queued")
    # There are no tables here to write it down in, and the page says so.
    assert (answer.status_code, "Done, but not recorded" in answer.text) == (200, True)
    pause = mailboxes.view(CUS_A).pause
    assert pause is not None
    assert (pause.who, pause.why) == ("ops-1 (console)", "INC-7")
    send(client, "resume", customer="cus_a", why="fixed")
    assert mailboxes.view(CUS_A).pause is None


def test_everything_is_paused_only_where_that_is_said(mailboxes: LoopedMailboxes) -> None:
    client = browser(mailboxes)
    assert send(client, "pause", why="INC-7").status_code == 400
    assert mailboxes.pause_of_everything() is None
    send(client, "pause", everything="1", why="INC-7")
    assert mailboxes.pause_of_everything() is not None
    assert "Everything was paused by ops-1 (console)" in client.get("/console/waiting").text
    send(client, "resume", everything="1", why="fixed")
    assert mailboxes.pause_of_everything() is None


def test_what_changes_nothing_says_so(mailboxes: LoopedMailboxes) -> None:
    client = browser(mailboxes)
    for_nothing = [send(client, action, customer="cus_a", why="x") for action in ("resume", "try-now")]
    assert [answer.status_code for answer in for_nothing] == [409, 409]
    mailboxes.pause(CUS_A)
    answer = send(client, "pause", customer="cus_a", why="x")
    assert (answer.status_code, "cus_a is already paused." in answer.text) == (409, True)


@pytest.mark.parametrize("customer", ["nonsense", "sub_1", "cus_", "cus_a b", SCRIPT, "x" * 256, "cus_\x01"])
@pytest.mark.parametrize("action", ["pause", "resume", "try-now"])
def test_what_is_no_customer_is_refused_and_shown_as_text(
    mailboxes: LoopedMailboxes, action: str, customer: str
) -> None:
    answer = send(browser(mailboxes), action, customer=customer, why="x")
    assert (answer.status_code, SCRIPT in answer.text) == (400, False)
    assert mailboxes.paused().customers == ()


def test_a_pause_that_an_earlier_release_made_under_another_name_can_be_ended(
    mailboxes: LoopedMailboxes,
) -> None:
    mailboxes.pause(CustomerId("nonsense"))
    send(browser(mailboxes), "resume", customer="nonsense", why="a typo")
    assert mailboxes.paused().customers == ()


@pytest.mark.parametrize("why", ["", "   ", "x" * 501])
def test_nothing_is_done_without_a_reason(mailboxes: LoopedMailboxes, why: str) -> None:
    assert send(browser(mailboxes), "pause", customer="cus_a", why=why).status_code == 400
    assert mailboxes.paused().customers == ()


def test_a_form_without_its_token_does_nothing(mailboxes: LoopedMailboxes) -> None:
    answer = browser(mailboxes).post("/console/waiting/pause", data={"customer": "cus_a", "why": "x"})
    assert answer.status_code == 403
    assert mailboxes.paused().customers == ()


def test_a_viewer_sees_the_page_and_no_form(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(CUS_A)
    page = browser(mailboxes, ConsoleRole.VIEWER).get("/console/waiting").text
    assert "cus_a" in page
    assert re.findall('method="post" action="([^"]*)"', page) == ["/console/search"]


def test_what_operators_typed_is_shown_as_text(mailboxes: LoopedMailboxes) -> None:
    mailboxes.pause(CUS_A, who=SCRIPT, why=SCRIPT)
    page = browser(mailboxes).get("/console/waiting").text
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page
