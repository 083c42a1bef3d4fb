"""The console's pages over a fake poller: what they show, and the rules for every answer and request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cogento.console.explain import AmbiguousQuery, NothingFound
from cogento.console.poller import Overview, Throughput
from cogento.console.timeline import Bucket
from cogento.events.names import CustomerId, ObjectId
from cogento.queue.errors import MailboxUnavailable
from cogento.store.history import NewCustomer, NewSubscription
from tests.support.fake_console import FakeCustomers, fake_console
from tests.support.figures import queue_figures, table_figures

if TYPE_CHECKING:
    from flask.testing import FlaskClient

SCRIPT = "<script>alert(1)</script>"
BUSY = Overview(
    queue=queue_figures(
        received_total=1200,
        settled_total=1190,
        waiting=10,
        leased=1,
        sleeping=2,
        parked=3,
        oldest_event_age_seconds=0.25,
    ),
    tables=table_figures(outcomes={"applied": 1100, "stale": 4}, unsure=1),
    throughput=Throughput(received=12.34, settled=11),
    buckets=[Bucket({}, None)] * 118 + [Bucket({"applied": 5, "dead": 1}, 10)] * 2,
    customers=[NewCustomer(CustomerId("cus_1"), "ada@example.com", SCRIPT, deleted=False, age_seconds=3)],
    subscriptions=[NewSubscription(ObjectId("sub_1"), "past_due", unsure=False, age_seconds=65)],
)
AWAY = Overview(None, None, Throughput(0, 0), (), (), ())


def explained(asked: str) -> AmbiguousQuery | NothingFound:
    if asked == "away":
        raise MailboxUnavailable("Redis: ConnectionError: secret detail")
    if "@" in asked or asked == "sub_1":
        return AmbiguousQuery(asked, [CustomerId("cus_1"), CustomerId("cus_2")])
    return NothingFound(asked, 2_000, 5_000)


def browser(seen: Overview = BUSY) -> FlaskClient:
    return fake_console(
        seen, customers=FakeCustomers(explained), hosts={"localhost", "console.example.com"}
    ).test_client()


def test_overview_shows_the_numbers() -> None:
    page = browser().get("/console").text
    assert "1,200" in page
    assert "2 retrying · 3 without customer" in page
    assert "12.3 a second" in page


def test_overview_shows_who_works() -> None:
    assert "1.0 · processed 3 s ago" in browser().get("/console").text


def test_overview_draws_what_was_settled_and_what_waited() -> None:
    page = browser().get("/console").text
    assert page.count('class="applied" x=') == 2
    assert "<title>1 dead, just now</title>" in page
    assert '<path class="backlog"' in page


@pytest.mark.parametrize(
    ("span", "unit", "rows"), [("2min", "a second", 12), ("1h", "a minute", 12), ("24h", "in 15 minutes", 24)]
)
def test_overview_spans_what_is_asked_for(span: str, unit: str, rows: int) -> None:
    page = browser().get(f"/console?span={span}").text
    assert f"<h2>Events {unit}</h2>" in page
    assert page.count('<td><time datetime="') == rows
    assert f'data-source="/console/live?span={span}"' in page


def test_a_span_that_is_none_is_refused() -> None:
    assert browser().get("/console?span=century").status_code == 400


def test_overview_answers_the_same_values_as_json() -> None:
    answer = json.loads(browser().get("/console", headers={"Accept": "application/json"}).text)
    assert answer["queue"]["received_total"] == 1200
    assert answer["verdict"]["headline"] == "Everything is in sync"
    assert answer["timeline"][0]["settled"] == {"applied": 10, "dead": 2}
    assert answer["customers"][0]["name"] == SCRIPT


def test_live_part_is_the_same_without_the_page_around_it() -> None:
    live = browser().get("/console/live").text
    assert 'id="live"' in live
    assert "<html" not in live


def test_servers_that_are_away_are_shown_and_not_an_error() -> None:
    answer = browser(AWAY).get("/console")
    assert (answer.status_code, "Redis is unreachable" in answer.text) == (200, True)


def test_text_from_outside_is_shown_as_text() -> None:
    page = browser().get("/console").text
    assert SCRIPT not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_what_was_asked_for_is_shown_as_text() -> None:
    page = browser().get("/console/explain", query_string={"id": f'"><{SCRIPT}'}).text
    assert SCRIPT not in page


def test_pages_carry_no_inline_script_or_style() -> None:
    page = browser().get("/console").text
    assert page.count("<script") == page.count("<script src=") == 1
    assert "style=" not in page
    assert "<style" not in page


@pytest.mark.parametrize(
    "address",
    ["/console", "/console/live", "/console/explain", "/nowhere", "/console/static/console.css", "/"],
)
def test_every_answer_carries_the_headers_that_protect_it(address: str) -> None:
    with browser().get(address) as answer:
        headers = answer.headers
    assert headers["Content-Security-Policy"].startswith(
        "default-src 'none'; style-src 'self'; script-src 'self'"
    )
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "max-age" in headers["Strict-Transport-Security"]


@pytest.mark.parametrize("host", ["evil.example.com", "localhost.evil.example.com", "10.0.0.1", ""])
def test_request_for_another_host_is_refused(host: str) -> None:
    assert browser().get("/console", headers={"Host": host}).status_code == 400


def test_configured_host_is_served() -> None:
    assert browser().get("/console", headers={"Host": "console.example.com:8001"}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(method: str) -> None:
    assert browser().open("/console", method=method).status_code == 405


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil"),
        ("Origin", "null"),
    ],
)
def test_post_from_another_site_is_refused_before_anything_else(name: str, value: str) -> None:
    assert browser().post("/console", headers={name: value}).status_code == 403


def test_post_that_the_browser_calls_its_own_is_not_refused_for_the_origin_it_hides() -> None:
    answer = browser().post("/console", headers={"Sec-Fetch-Site": "same-origin", "Origin": "null"})
    assert answer.status_code == 405


@pytest.mark.parametrize("asked", [{}, {"id": ""}, {"id": "  "}, {"id": "x" * 256}])
def test_question_without_an_id_is_refused(asked: dict[str, str]) -> None:
    assert browser().get("/console/explain", query_string=asked).status_code == 400


def test_unknown_id_is_not_found_and_says_so() -> None:
    answer = browser().get("/console/explain?id=cus_nobody")
    assert (answer.status_code, "Nothing found" in answer.text) == (404, True)
    assert "Of 5,000 waiting events the first 2,000 were looked through" in answer.text


def test_shared_address_lists_its_customers() -> None:
    page = browser().get("/console/explain?id=ada@example.com").text
    assert "2 customers have this address" in page
    assert "cus_2" in page


def test_an_id_of_several_customers_is_not_called_an_address() -> None:
    page = browser().get("/console/explain?id=sub_1").text
    assert "2 customers are named by events with this id" in page
    assert "signs in with it" not in page
    assert "cus_2" in page


def test_server_that_is_away_is_told_without_detail() -> None:
    answer = browser().get("/console/explain?id=away")
    assert (answer.status_code, "secret detail" in answer.text) == (503, False)


def test_console_says_that_it_lives_to_whoever_asks_by_its_name() -> None:
    assert browser().get("/healthz").json == {"status": "ok"}
