"""Rows B81 to B87 and B89 of docs/bad-inputs.md, on every page and form of the console."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, cast
from unittest import mock

import pytest

from cogento.console import web
from cogento.console.web.browsers import BROWSER_COOKIE
from cogento.console.web.login import LOGIN_COOKIE, SESSION_COOKIE, ConsoleRole
from cogento.console.web.proxies import Proxies
from cogento.console.web.security import HEADERS
from cogento.networks import read_networks
from tests.support.console_login import (
    HTTPS,
    VIEWERS_PASSWORD,
    WRONG,
    Browser,
    console_with_login,
    is_in,
    log_in,
    token_of,
)
from tests.support.console_routes import addresses

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from redis import Redis

    from cogento.console.passwords import PasswordHash
    from tests.support.fake_console import FakeDeadLetters

SCRIPT = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}"
WEB = Path(web.__file__).parent
SOURCES = "\n".join(file.read_text() for file in (*WEB.glob("*.py"), *WEB.glob("templates/*.html")))
FIELDS = sorted(
    {*re.findall(r'name="([a-z_]+)"', SOURCES), *re.findall(r'(?:args|form)\.get\("([a-z_]+)"', SOURCES)}
    - {"token"}
)
"""Every field of a form, and every argument of an address."""

PIECES = {"letter_id": "1", "number": "1", "customer_id": "cus_1"}
PAGES = addresses("GET", PIECES)
FORMS = addresses("POST", PIECES)
ONLY_FORMS = sorted(set(FORMS) - set(PAGES))


def test_there_are_pages_forms_and_fields_to_try() -> None:
    assert {"/console/letters/1", "/console/waiting", "/console/activity", "/console/system"} <= set(PAGES)
    assert {"/console/letters/1/reveal", "/console/waiting/try-now", "/console/system/sweep"} <= set(FORMS)
    assert {"why", "customer", "fingerprint", "id", "next", "about", "state", "confirm", "rate"} <= set(
        FIELDS
    )


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("cookie", [None, "forged"])
def test_b81_page_is_shown_to_nobody_without_a_session(
    browser: Browser, path: str, cookie: str | None
) -> None:
    headers = {} if cookie is None else {"Cookie": f"{SESSION_COOKIE}={cookie}"}
    answer = browser().get(path, base_url=HTTPS, headers=headers)
    assert answer.status_code in {302, 401}
    assert "evt_1" not in answer.text


@pytest.mark.parametrize("path", FORMS)
def test_b81_form_of_nobody_changes_nothing(
    browser: Browser, dead_letters: FakeDeadLetters, path: str
) -> None:
    answer = browser().post(path, base_url=HTTPS, data={"token": "forged", "why": "x"})
    assert answer.status_code == 401
    assert dead_letters.done == []


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("fields", [{}, {"token": "forgé"}])
def test_b81_form_without_the_session_s_token_changes_nothing(
    browser: Browser, dead_letters: FakeDeadLetters, path: str, fields: dict[str, str]
) -> None:
    client = browser()
    log_in(client)
    assert client.post(path, base_url=HTTPS, data=fields | {"why": "x"}).status_code == 403
    assert dead_letters.done == []
    assert is_in(client)


@pytest.mark.parametrize("path", FORMS)
def test_b81_form_with_the_token_of_another_session_changes_nothing(
    browser: Browser, dead_letters: FakeDeadLetters, path: str
) -> None:
    client, other = browser(), browser()
    log_in(client)
    log_in(other, name="ops-2")
    token = token_of(other.get("/console", base_url=HTTPS))
    assert client.post(path, base_url=HTTPS, data={"token": token, "why": "x"}).status_code == 403
    assert dead_letters.done == []


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "https://localhost.evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://localhost"},
    ],
)
def test_b81_form_of_another_site_changes_nothing(
    browser: Browser, dead_letters: FakeDeadLetters, path: str, headers: dict[str, str]
) -> None:
    client = browser()
    log_in(client)
    data = {"token": token_of(client.get("/console", base_url=HTTPS)), "why": "x"}
    assert client.post(path, base_url=HTTPS, data=data, headers=headers).status_code == 403
    assert dead_letters.done == []


@pytest.mark.parametrize("path", FORMS)
def test_b81_viewer_s_form_changes_nothing(
    browser: Browser, dead_letters: FakeDeadLetters, path: str
) -> None:
    client = browser()
    log_in(client, VIEWERS_PASSWORD)
    data = {"token": token_of(client.get("/console", base_url=HTTPS)), "why": "x"}
    allowed = {"/console/logout": 302, "/console/search": 400}  # the search wants something to look for
    assert client.post(path, base_url=HTTPS, data=data).status_code == allowed.get(path, 403)
    assert dead_letters.done == []


@pytest.mark.parametrize("path", ONLY_FORMS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_b81_action_by_another_method_is_none(
    browser: Browser, dead_letters: FakeDeadLetters, path: str, method: str
) -> None:
    client = browser()
    log_in(client)
    token = token_of(client.get("/console", base_url=HTTPS))
    query = {"token": token, "why": "x"}
    answer = client.open(path, method=method, base_url=HTTPS, query_string=query)
    assert answer.status_code == 405
    assert dead_letters.done == []


@pytest.mark.parametrize("path", FORMS)
def test_b81_token_in_the_address_is_none(browser: Browser, dead_letters: FakeDeadLetters, path: str) -> None:
    client = browser()
    log_in(client)
    token = token_of(client.get("/console", base_url=HTTPS))
    answer = client.post(path, base_url=HTTPS, query_string={"token": token}, data={"why": "x"})
    assert answer.status_code == 403
    assert dead_letters.done == []


@pytest.mark.parametrize("path", sorted(set(PAGES) - {"/console/live"}))
def test_b81_every_form_that_posts_carries_the_token(browser: Browser, path: str) -> None:
    client = browser()
    log_in(client)
    page = client.get(path, base_url=HTTPS, follow_redirects=True).text
    forms = re.findall(r'<form[^>]*method="post".*?</form>', page, flags=re.DOTALL)
    assert forms != []
    assert [form for form in forms if 'name="token"' not in form] == []


class CountingPassword:
    """A password that matches nothing, and counts how often it is checked."""

    def __init__(self, name: str) -> None:
        self.fingerprint = name
        self.looks = 0

    def matches(self, _password: str) -> bool:
        self.looks += 1
        return False


@pytest.mark.parametrize("name", ["ops-1", "nobody", "x" * 64])
def test_b82_wrong_password_takes_as_long_for_every_name(redis: Redis, name: str) -> None:
    passwords = {ConsoleRole.OPERATOR: CountingPassword("1"), ConsoleRole.VIEWER: CountingPassword("2")}
    app = console_with_login(redis, cast("dict[ConsoleRole, PasswordHash]", passwords))
    answer = log_in(app.test_client(), WRONG, name=name)
    assert (answer.status_code, "Wrong password." in answer.text) == (401, True)
    assert [password.looks for password in passwords.values()] == [1, 1]


def test_b82_names_are_no_way_around_the_throttle(browser: Browser) -> None:
    answers = [log_in(browser(), WRONG, name=f"ops-{n}").status_code for n in range(6)]
    assert answers == [401] * 5 + [429]


@pytest.mark.parametrize("cookie", [SESSION_COOKIE, BROWSER_COOKIE])
def test_b83_cookies_are_for_this_host_over_https_and_out_of_reach_of_scripts(
    browser: Browser, cookie: str
) -> None:
    cookies = log_in(browser()).headers.getlist("Set-Cookie")
    (flags,) = [line.split("; ") for line in cookies if line.startswith(f"{cookie}=")]
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= set(flags)
    assert [flag for flag in flags if flag.startswith("Domain")] == []


def test_b83_login_form_s_cookie_is_as_guarded(browser: Browser) -> None:
    (line,) = browser().get("/console/login", base_url=HTTPS).headers.getlist("Set-Cookie")
    assert line.startswith(f"{LOGIN_COOKIE}=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= set(line.split("; "))


def test_b83_session_is_not_kept_by_who_fixed_it_before_the_login(browser: Browser) -> None:
    victim, thief = browser(), browser()
    log_in(thief)
    fixed = thief.get_cookie(SESSION_COOKIE)
    assert fixed is not None
    victim.set_cookie(SESSION_COOKIE, fixed.value, secure=True)
    log_in(victim)
    assert victim.get_cookie(SESSION_COOKIE) != fixed
    assert not is_in(thief)  # the session that was brought along has ended


@pytest.mark.parametrize("path", [*PAGES, "/console/login", "/console/nowhere"])
def test_b84_what_the_address_says_is_shown_as_text(browser: Browser, path: str) -> None:
    client = browser()
    log_in(client, name="ops-1")
    page = client.get(
        path, base_url=HTTPS, query_string=dict.fromkeys(FIELDS, SCRIPT), follow_redirects=True
    ).text
    assert "<img src=x" not in page
    assert "<script>alert" not in page


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("more", [{}, {"newest": "1", "letters": "1"}], ids=["as typed", "of letters"])
def test_b84_what_a_form_says_is_shown_as_text(browser: Browser, path: str, more: dict[str, str]) -> None:
    client = browser()
    log_in(client, name="ops-1")
    token = token_of(client.get("/console", base_url=HTTPS))
    data = dict.fromkeys(FIELDS, SCRIPT) | {"token": token} | more
    answer = client.post(path, base_url=HTTPS, data=data, follow_redirects=True)
    assert answer.status_code != 500
    assert "<img src=x" not in answer.text
    assert "<script>alert" not in answer.text


def test_b84_name_is_shown_as_text(browser: Browser) -> None:
    client = browser()
    log_in(client, name="<b>{{7*7}}</b>")
    page = client.get("/console", base_url=HTTPS).text
    assert "&lt;b&gt;{{7*7}}&lt;/b&gt; · operator" in page


def test_b84_form_that_was_not_sent_is_shown_as_text(browser: Browser) -> None:
    page = browser().post("/console/letters/1/retry", base_url=HTTPS, data={"why": SCRIPT, SCRIPT: "x"}).text
    assert "<img src=x" not in page
    assert "<script>alert" not in page


def test_b84_error_is_shown_as_text(browser: Browser) -> None:
    client = browser()
    log_in(client)
    page = client.get(f"/console/{SCRIPT}", base_url=HTTPS).text
    assert "<img src=x" not in page


@pytest.mark.parametrize(
    ("path", "method"),
    [
        *((path, "GET") for path in PAGES),
        *((path, "POST") for path in FORMS),
        ("/console/login", "GET"),
        ("/console/static/console.css", "GET"),
        ("/healthz", "GET"),
        ("/metrics", "GET"),
        ("/console/nowhere", "GET"),
        ("/console/logout", "GET"),
        ("/", "OPTIONS"),
    ],
)
def test_b85_every_answer_carries_the_headers(browser: Browser, path: str, method: str) -> None:
    client = browser()
    log_in(client)
    with client.open(path, method=method, base_url=HTTPS) as answer:
        assert HEADERS.items() <= dict(answer.headers).items()
    with browser().open(path, method=method, base_url=HTTPS) as answer:
        assert HEADERS.items() <= dict(answer.headers).items()


def test_b85_page_is_framed_by_nobody_runs_only_our_files_and_stays_in_no_cache() -> None:
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert HEADERS["X-Frame-Options"] == "DENY"
    assert HEADERS["X-Content-Type-Options"] == "nosniff"
    assert HEADERS["Cache-Control"] == "no-store"
    assert HEADERS["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "query",
    [
        "page=-1&below=-1&limit=-5",
        "page=1e9&below=99999999999999999999999999&limit=100000",
        "sort=password&below=abc",
        "status=open&status=closed&status=x&id=1&id=2&fingerprint=a&fingerprint=b",
        "newer=yesterday&older=9999-99-99T99:99",
        "%00=%00&&&===",
    ],
)
def test_b86_odd_parameters_are_clamped_or_refused(browser: Browser, path: str, query: str) -> None:
    client = browser()
    log_in(client)
    answer = client.get(f"{path}?{query}", base_url=HTTPS)
    assert answer.status_code in {200, 302, 400, 404}
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_b87_nothing_is_exported_as_a_spreadsheet(browser: Browser, path: str) -> None:
    client = browser()
    log_in(client)
    answer = client.get(path, base_url=HTTPS, headers={"Accept": "text/csv"}, follow_redirects=True)
    assert answer.mimetype in {"text/html", "application/json"}


@pytest.fixture
def behind_proxy(redis: Redis, passwords: dict[ConsoleRole, PasswordHash]) -> FlaskClient:
    app: Flask = console_with_login(redis, passwords, proxies=Proxies(read_networks("private")))
    return app.test_client()


def test_b89_metrics_are_not_for_the_internet(behind_proxy: FlaskClient) -> None:
    passed_on = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    assert behind_proxy.get("/metrics", base_url=HTTPS, headers=passed_on).status_code == 404
    with mock.patch.dict(behind_proxy.environ_base, {"REMOTE_ADDR": "203.0.113.9"}):
        assert behind_proxy.get("/metrics", base_url=HTTPS).status_code == 404
