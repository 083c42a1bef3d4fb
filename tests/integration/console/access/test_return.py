"""A login in between leads on to the page that was asked for, and loses nothing that was typed."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from cogento.console.web.login import SESSION_COOKIE
from cogento.console.web.security import MAX_FORM_BYTES
from tests.support.console_login import (
    DISCARD,
    HTTPS,
    VIEWERS_PASSWORD,
    WRONG,
    Browser,
    fields_of,
    is_in,
    log_in,
    token_of,
)
from tests.support.fake_console import FakeDeadLetters

if TYPE_CHECKING:
    from redis import Redis

FILTERED = "/console/letters?fingerprint=f00d&text=a%20b%26c"
TYPED = "test data, INC-7 <b>&\"'"


def test_login_leads_to_the_page_that_was_asked_for(browser: Browser) -> None:
    client = browser()
    asked = client.get(FILTERED, base_url=HTTPS)
    assert asked.location == f"/console/login?{urlencode({'next': FILTERED}, safe='/?')}"
    form = client.get(asked.location, base_url=HTTPS)
    kept = html.unescape(fields_of(form, "/console/login")["next"])
    assert log_in(client, more={"next": kept}).location == FILTERED
    assert client.get(FILTERED, base_url=HTTPS).status_code == 200


def test_login_keeps_no_e_mail_address_in_a_url(browser: Browser) -> None:
    asked = browser().get("/console/explain?id=ada%40example.com", base_url=HTTPS)
    assert asked.location == "/console/login"
    kept = browser().get("/console/explain?id=cus_1", base_url=HTTPS)
    assert kept.location == "/console/login?next=/console/explain?id%3Dcus_1"


def test_viewer_may_search_and_what_was_typed_is_in_no_url(browser: Browser) -> None:
    client = browser()
    log_in(client, VIEWERS_PASSWORD)
    page = client.get("/console", base_url=HTTPS)
    assert '<form class="search" method="post" action="/console/search"' in page.text
    found = client.post(
        "/console/search", base_url=HTTPS, data={"token": token_of(page), "id": "ada@example.com"}
    )
    assert (found.status_code, "Nothing found" in found.text) == (404, True)


def test_wrong_password_does_not_forget_the_page(browser: Browser) -> None:
    page = log_in(browser(), WRONG, more={"next": FILTERED})
    assert html.unescape(fields_of(page, "/console/login")["next"]) == FILTERED


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https://evil.example/console",
        "javascript:alert(1)",
        "evil.example",
        "@evil.example",
        "/%2f%2fevil.example",
        "/%5cevil.example",
        "%2f%2fevil.example",
        "/\t/evil.example",
        "/console\\evil",
        "/console\n//evil.example",
        "/console/..//evil.example",
        "/console/%2e%2e//evil.example",
        "/console/../..//evil.example",
        "/consoleevil.example",
        "/console@evil.example",
        "/console/letters/1/retry",
        "/console/login",
        "/console/login?next=//evil.example",
        "/console/logout",
        "/console/none",
        "/metrics",
        " /console/letters",
        "/console/letters\0",
        "/console/letters/" + "1" * 5000,
        "",
    ],
)
def test_b81_login_leads_nowhere_but_to_pages_of_ours(browser: Browser, target: str) -> None:
    shown = browser().get("/console/login", query_string={"next": target}, base_url=HTTPS)
    assert "next" not in fields_of(shown, "/console/login")
    assert log_in(browser(), more={"next": target}).location == "/console"


def test_form_without_a_session_shows_what_was_typed_and_asks_to_log_in(
    browser: Browser, dead_letters: FakeDeadLetters
) -> None:
    answer = browser().post(DISCARD, base_url=HTTPS, data={"token": "old", "why": TYPED})
    assert answer.status_code == 401
    assert html.escape(TYPED, quote=False).replace('"', "&#34;").replace("'", "&#39;") in answer.text
    assert "Log in" in answer.text
    assert dead_letters.done == []


def test_form_without_a_session_is_sent_after_the_login_by_one_more_click(
    browser: Browser, dead_letters: FakeDeadLetters
) -> None:
    client = browser()
    asked = client.post(DISCARD, base_url=HTTPS, data={"token": "old", "why": TYPED})
    kept = {name: html.unescape(value) for name, value in fields_of(asked, "/console/login").items()}
    del kept["token"]
    shown = log_in(client, more=kept)
    assert shown.status_code == 200
    assert dead_letters.done == []
    again = {name: html.unescape(value) for name, value in fields_of(shown, DISCARD).items()}
    assert client.post(DISCARD, base_url=HTTPS, data=again).status_code == 303
    assert [(done.action, done.who, done.why) for done in dead_letters.done] == [
        ("discard", "ops-1 (console)", TYPED)
    ]


def test_the_way_back_from_a_bulk_discard_leads_to_the_list_and_not_to_a_discard_of_all(
    browser: Browser,
) -> None:
    unsent = {"unsent": "/console/letters/discard", "unsent.letter": "1", "unsent.why": TYPED}
    shown = log_in(browser(), more=unsent)
    assert '<a href="/console/letters">Back without sending</a>' in shown.text


def test_wrong_password_does_not_lose_what_was_typed(browser: Browser) -> None:
    page = log_in(browser(), WRONG, more={"unsent": DISCARD, "unsent.why": TYPED})
    assert html.unescape(fields_of(page, "/console/login")["unsent.why"]) == TYPED


def test_form_that_repeats_a_field_keeps_each_value(browser: Browser) -> None:
    client = browser()
    data = {"letter": ["1", "2", "3"], "why": ""}
    answer = client.post(DISCARD, base_url=HTTPS, data=data)
    assert answer.text.count('name="unsent.letter"') == 3


def test_viewer_is_led_to_the_page_of_a_form_that_only_operators_send(browser: Browser) -> None:
    answer = log_in(browser(), VIEWERS_PASSWORD, more={"unsent": DISCARD, "unsent.why": TYPED})
    assert (answer.status_code, answer.location) == (303, "/console/letters/1")


@pytest.mark.parametrize(
    "action",
    ["https://evil.example", "//evil.example", "/console/logout", "/console/login", "/console/letters", "/x"],
)
def test_b81_kept_form_goes_to_forms_of_ours_alone(browser: Browser, action: str) -> None:
    answer = log_in(browser(), more={"unsent": action, "unsent.why": TYPED})
    assert (answer.status_code, answer.location) == (303, "/console")


def test_form_of_another_session_is_shown_again_and_not_lost(
    browser: Browser, dead_letters: FakeDeadLetters
) -> None:
    client = browser()
    log_in(client)
    refused = client.post(DISCARD, base_url=HTTPS, data={"token": "of the session before", "why": TYPED})
    assert refused.status_code == 403
    assert dead_letters.done == []
    again = {name: html.unescape(value) for name, value in fields_of(refused, DISCARD).items()}
    assert client.post(DISCARD, base_url=HTTPS, data=again).status_code == 303
    assert [done.why for done in dead_letters.done] == [TYPED]


def test_largest_form_survives_the_login(browser: Browser, dead_letters: FakeDeadLetters) -> None:
    client = browser()
    room = MAX_FORM_BYTES - len("token=old&why=")
    asked = client.post(DISCARD, base_url=HTTPS, data={"token": "old", "why": "é" * (room // 6)})
    kept = {name: html.unescape(value) for name, value in fields_of(asked, "/console/login").items()}
    del kept["token"]
    assert log_in(client, more=kept).status_code == 200


def test_larger_form_is_refused_before_any_of_it_is_read(browser: Browser) -> None:
    answer = browser().post(DISCARD, base_url=HTTPS, data={"why": "x" * MAX_FORM_BYTES})
    assert answer.status_code == 413


def test_expired_session_leads_back_to_the_page(browser: Browser, redis: Redis) -> None:
    client = browser()
    log_in(client)
    redis.flushdb()
    asked = client.get("/console/letters/1", base_url=HTTPS)
    assert asked.location == "/console/login?next=/console/letters/1"


def test_program_without_a_session_is_told_so_as_json(browser: Browser) -> None:
    answer = browser().get("/console/letters", base_url=HTTPS, headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert answer.is_json


def test_script_of_a_page_without_a_session_is_not_led_to_the_login(browser: Browser) -> None:
    answer = browser().get("/console/letters", base_url=HTTPS, headers={"Sec-Fetch-Dest": "empty"})
    assert answer.status_code == 401


def test_link_from_elsewhere_is_opened_again_from_here_where_browsers_send_the_cookie(
    browser: Browser,
) -> None:
    client = browser()
    answer = client.get("/console/letters/1", base_url=HTTPS, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.headers["Refresh"]) == (200, "0; url=/console/letters/1")
    again = client.get("/console/letters/1", base_url=HTTPS, headers={"Sec-Fetch-Site": "same-origin"})
    assert again.location == "/console/login?next=/console/letters/1"


def test_link_from_elsewhere_with_a_session_that_has_ended_leads_to_the_login(browser: Browser) -> None:
    client = browser()
    client.set_cookie(SESSION_COOKIE, "ended", secure=True)
    answer = client.get("/console/letters/1", base_url=HTTPS, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.location == "/console/login?next=/console/letters/1"


def test_login_tells_a_browser_without_cookies_what_it_needs(browser: Browser) -> None:
    client = browser()
    token = token_of(client.get("/console/login", base_url=HTTPS))
    client.delete_cookie("__Host-cogento-login")
    answer = client.post("/console/login", base_url=HTTPS, data={"token": token})
    assert answer.status_code == 403
    assert "https" in answer.text
    assert not is_in(client)
