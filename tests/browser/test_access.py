"""Who gets in, who may change what, and that a login in between loses nothing of what somebody was doing."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from redis import Redis

from cogento.console.web.sessions import MAX_LOGIN_ATTEMPTS, SESSION_KEY
from tests.browser.conftest import PASSWORD, VIEWERS_PASSWORD, Console
from tests.support import builders
from tests.support.stores import Happened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCRIPT = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>"
CUSTOMER = "customers/cus_ada"


@pytest.fixture(autouse=True)
def ada(applied: Happened) -> None:
    """One customer."""
    applied("customer.created", builders.customer("cus_ada", email="ada@example.com", name="Ada"))


@pytest.fixture
def page(profile: BrowserContext) -> Iterator[Page]:
    """A new window, which may be refused: whatever else the browser complains of fails the test."""
    profile.clear_cookies()
    opened = profile.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    yield opened
    opened.close()
    # A field that was filled in before the browser came to focus it is a fast typist's, and no fault of the page.
    expected = ("Failed to load resource", "Autofocus processing was blocked")
    assert [text for text in complaints if not text.startswith(expected)] == []


def log_in(page: Page, password: str, name: str = "ops-1") -> None:
    """Fill in the form that the page shows, and send it."""
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_login_leads_to_the_page_that_was_asked_for_and_is_written_down(
    page: Page, guarded: Console, database_url: str
) -> None:
    page.goto(f"{guarded.url}/{CUSTOMER}")
    log_in(page, PASSWORD)
    expect(page).to_have_url(f"{guarded.url}/{CUSTOMER}")
    expect(page.get_by_text("ops-1 · operator")).to_be_visible()
    with psycopg.connect(database_url) as connection:
        (row,) = connection.execute("SELECT who, action FROM activity").fetchall()
    assert row == ("ops-1 (console)", "login")


def test_viewer_sees_the_pages_and_no_button_that_changes_anything(page: Page, guarded: Console) -> None:
    page.goto(f"{guarded.url}/{CUSTOMER}")
    log_in(page, VIEWERS_PASSWORD)
    expect(page.get_by_role("heading", name="Ada")).to_be_visible()
    expect(page.get_by_text("ops-1 · viewer")).to_be_visible()
    assert page.get_by_role("button").all_inner_texts() == ["Find", "Log out"]


def test_viewer_who_sends_a_form_all_the_same_is_refused(page: Page, guarded: Console) -> None:
    page.goto(guarded.url)
    log_in(page, VIEWERS_PASSWORD)
    page.evaluate(
        """() => {
            const form = document.querySelector("form[method=post]");
            form.action = "/console/customers/cus_ada/pause";
            form.submit();
        }"""
    )
    expect(page.get_by_text("Only operators can change something.")).to_be_visible()


def test_form_that_was_typed_while_the_session_ended_is_sent_after_the_login(
    page: Page, guarded: Console, redis_url: str, database_url: str
) -> None:
    page.goto(f"{guarded.url}/{CUSTOMER}")
    log_in(page, PASSWORD)
    pause = page.locator("form[action$='/cus_ada/pause']")
    pause.get_by_role("textbox").fill("INC-7 <b>& more")
    with Redis.from_url(redis_url) as redis:
        redis.delete(*redis.scan_iter(SESSION_KEY.format("*")))
    pause.get_by_role("button").click()
    expect(page.get_by_text("INC-7 <b>& more")).to_be_visible()
    log_in(page, "wrong wrong wrong")
    expect(page.get_by_text("Wrong password.")).to_be_visible()
    log_in(page, PASSWORD)
    expect(page.get_by_role("heading", name="Not sent yet")).to_be_visible()
    page.get_by_role("button", name="Send it now").click()
    expect(page).to_have_url(re.compile(f"{CUSTOMER}$"))
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT who, about, why FROM activity WHERE action = 'pause'").fetchall()
    assert rows == [("ops-1 (console)", "cus_ada", "INC-7 <b>& more")]


def test_stranger_behind_the_same_proxy_locks_nobody_out(chromium: Browser, guarded: Console) -> None:
    stranger = chromium.new_context(extra_http_headers={"X-Forwarded-For": "203.0.113.9"}).new_page()
    operator = chromium.new_context(extra_http_headers={"X-Forwarded-For": "203.0.113.1"}).new_page()
    stranger.goto(guarded.url)
    for _ in range(MAX_LOGIN_ATTEMPTS):
        log_in(stranger, "wrong wrong wrong")
        expect(stranger.get_by_text("Wrong password.")).to_be_visible()
    log_in(stranger, PASSWORD)
    expect(stranger.get_by_text("Too many attempts. Try again in 15 minutes.")).to_be_visible()
    operator.goto(guarded.url)
    log_in(operator, PASSWORD)
    expect(operator.get_by_text("ops-1 · operator")).to_be_visible()
    stranger.context.close()
    operator.context.close()


def test_b84_scripts_in_names_and_addresses_run_nowhere_and_break_no_rule(
    page: Page, guarded: Console
) -> None:
    page.goto(f"{guarded.url}/letters?fingerprint={SCRIPT}&id={SCRIPT}")
    log_in(page, PASSWORD, name="<img src=x onerror=alert(3)>")
    expect(page.get_by_text("<img src=x onerror=alert(3)> · operator")).to_be_visible()
    page.get_by_role("searchbox").fill(SCRIPT)
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("searchbox")).to_have_value(SCRIPT)


class Elsewhere(BaseHTTPRequestHandler):
    """Another site, which shows the HTML that the test gives it."""

    html = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.html)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def elsewhere() -> Iterator[Callable[[str], str]]:
    """Show some HTML on another site, and return its address."""
    servers: list[ThreadingHTTPServer] = []

    def show(html: str) -> str:
        handler = type("Page", (Elsewhere,), {"html": html.encode()})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"

    yield show
    for server in servers:
        server.shutdown()
        server.server_close()


def test_link_from_another_site_opens_the_page_without_a_second_login(
    page: Page, guarded: Console, elsewhere: Callable[[str], str]
) -> None:
    page.goto(guarded.url)
    log_in(page, PASSWORD)
    expect(page.get_by_text("ops-1 · operator")).to_be_visible()
    page.goto(elsewhere(f"<link rel=icon href=data:,><a href='{guarded.url}/{CUSTOMER}'>alert</a>"))
    page.get_by_role("link", name="alert").click()
    expect(page).to_have_url(f"{guarded.url}/{CUSTOMER}")
    expect(page.get_by_role("heading", name="Ada")).to_be_visible()


def test_b85_other_sites_frame_no_page(
    chromium: Browser, guarded: Console, elsewhere: Callable[[str], str]
) -> None:
    context = chromium.new_context()
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(elsewhere(f"<iframe src='{guarded.url}/login'></iframe>"))
    page.wait_for_load_state("networkidle")
    frames = [frame.get_by_role("button", name="Log in").count() for frame in page.frames]
    context.close()
    assert sum(frames) == 0
    assert [text for text in complaints if "frame-ancestors" in text] != []


def test_b81_form_of_another_site_is_refused_though_the_browser_is_logged_in(
    page: Page, guarded: Console, elsewhere: Callable[[str], str]
) -> None:
    page.goto(guarded.url)
    log_in(page, PASSWORD)
    expect(page.get_by_text("ops-1 · operator")).to_be_visible()
    address = f"{guarded.url}/customers/cus_ada/pause"
    page.goto(
        elsewhere(f"<form method=post action='{address}'><input name=why value=x><button>Win</button></form>")
    )
    page.get_by_role("button", name="Win").click()
    expect(page.get_by_text("This request came from another site.")).to_be_visible()
