"""Six incidents as an operator deals with them in a browser, each from the first sign to the proof that it is over."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from cogento import runtime
from cogento.store.letter_records import LetterStatus
from tests.support import incidents
from tests.support.accessibility import axe_problems
from tests.support.known_person import EVERYWHERE, names_person, places, stand_everywhere
from tests.support.servers import wait_until
from tests.support.simulated_stripe import SimulatedStripe, differences
from tests.support.stripe_histories import lived

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogento.store.store import Store
    from tests.browser.conftest import Console
    from tests.support.post import Post

WHO = f"{getpass.getuser()} (console)"
MANY = 400
SOON = 20_000
LATER = 60_000


@pytest.fixture(autouse=True)
def patient(page: Page) -> Iterator[None]:
    """Wait longer for what changes by itself."""
    page.set_default_timeout(SOON)
    expect.set_options(timeout=SOON)
    yield
    expect.set_options(timeout=5_000)  # as Playwright has it


def look(page: Page, text: str) -> None:
    """Follow the overview's line that says so."""
    page.get_by_role("listitem").filter(has_text=text).get_by_role("link", name="Look").click()


def recorded(store: Store, **which: str) -> list[tuple[str, str, str]]:
    entries = runtime.run(store.activity.page(**which))  # type: ignore[arg-type]
    return [(one.who, one.action, one.why) for one in entries]


def statuses(store: Store) -> dict[LetterStatus, int]:
    counts = runtime.run(store.letters.statuses(count_to=2 * MANY)).counts
    return {status: count for status, count in counts.items() if count}


def test_400_letters_of_one_cause_are_retried_stopped_and_continued_after_a_crash(
    page: Page, own_console: Console, post: Post, store: Store
) -> None:
    console = own_console
    incidents.letters_of_one_cause(post, range(MANY))
    incidents.letters_of_one_cause(post, [900], reason="malformed", constraint_name="")
    page.goto(console.url)
    look(page, f"{MANY} letters")
    expect(page.get_by_text("users_refused").first).to_be_visible()
    page.get_by_role("link", name=f"Retry all {MANY} …").click()
    question = f"Retry {MANY} dead letters of {MANY} customers?"
    expect(page.get_by_role("heading", name=question)).to_be_visible()
    assert axe_problems(page) == []
    page.get_by_label("Why will it work now?").fill("INC-7: the constraint is gone")
    page.get_by_label("At most … a second").fill("40")
    page.get_by_role("button", name=f"Retry {MANY} dead letters").click()
    expect(page.get_by_role("heading", name=f"Retrying {MANY} letters")).to_be_visible()
    assert axe_problems(page) == []
    expect(page.get_by_text(re.compile(r"[1-9]\d* letters?: queued again"))).to_be_visible()
    page.get_by_role("button", name="Stop after this batch").click()
    expect(page.get_by_text("stopped", exact=True)).to_be_visible(timeout=LATER)
    assert 0 < statuses(store)[LetterStatus.RETRYING] < MANY

    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("running", exact=True)).to_be_visible()
    console.kill()
    assert statuses(store)[LetterStatus.RETRYING] < MANY
    console.start()
    page.goto(page.url)
    expect(page.get_by_text("interrupted", exact=True)).to_be_visible(timeout=LATER)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("done", exact=True)).to_be_visible(timeout=LATER)
    expect(page.get_by_text(f"{MANY} of {MANY} processed")).to_be_visible()

    post.drain()
    expect(page.get_by_text(f"{MANY} letters by now: applied")).to_be_visible()
    assert post.rows(incidents.ROWS) == [{"rows": MANY}]
    assert statuses(store) == {LetterStatus.OPEN: 1, LetterStatus.RESOLVED: MANY}
    page.get_by_role("link", name="Letters of this operation").click()
    expect(page.get_by_role("link", name="Older →")).to_be_visible()


def test_my_subscription_shows_canceled(
    page: Page, start_console: Callable[..., Console], post: Post, store: Store
) -> None:
    with closing(incidents.subscription_that_shows_canceled(post)) as stripe:
        console = start_console(**incidents.asking(stripe))
        page.goto(console.url)
        page.get_by_role("searchbox").fill("CUS_1@example.com")
        page.keyboard.press("Enter")
        subscriptions = page.get_by_role("table", name="Subscriptions")
        expect(subscriptions.get_by_text("canceled")).to_be_visible()
        expect(subscriptions.get_by_text("customer.subscription.created")).to_be_visible()

        page.get_by_role("button", name="Compare with Stripe").click()
        expect(page.get_by_role("heading", name="1 of 2 rows differ from Stripe")).to_be_visible(
            timeout=LATER
        )
        expect(page.get_by_role("row", name=re.compile("status differs.*active.*canceled"))).to_be_visible()
        assert axe_problems(page) == []
        page.get_by_label("Why the rows are to be written").fill("ticket 811")
        page.get_by_role("button", name="Write what Stripe says").click()
        expect(page.get_by_role("heading", name="The rows show what Stripe says")).to_be_visible(
            timeout=LATER
        )

        page.get_by_role("main").get_by_role("link", name="cus_1", exact=True).first.click()
        expect(page.get_by_role("table", name="Subscriptions").get_by_text("active")).to_be_visible()
        expect(page.get_by_text("`cogento verify --repair` wrote it").first).to_be_visible()
    assert post.rows(incidents.STATUS) == [{"status": "active"}]
    assert recorded(store, about="cus_1") == [(WHO, "repair", "ticket 811"), (WHO, "verify", "")]


def test_a_backlog_without_a_worker(page: Page, console: Console, post: Post, store: Store) -> None:
    incidents.backlog(post, 30)
    page.goto(console.url)
    expect(page.get_by_text("No worker is running. Events are still received and queued.")).to_be_visible()
    look(page, "1 retrying")
    row = page.get_by_role("row", name=re.compile("cus_late"))
    expect(row).to_contain_text("evt_late failed 7 times (transient 57014)")
    page.get_by_role("navigation", name="State").get_by_role("link", name="Queued 30").click()
    page.get_by_role("link", name="cus_7", exact=True).click()
    expect(page.get_by_text("nothing is processed until one is started")).to_be_visible()

    post.drain()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Waiting").click()
    expect(page.get_by_role("heading", name="1 event waiting")).to_be_visible()
    page.get_by_label("Act on cus_late").click()
    row = page.get_by_role("row", name=re.compile("cus_late"))
    row.get_by_label("Why?").fill("the lock is gone")
    row.get_by_role("button", name="Try now").click()
    post.drain()
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="Everything is in sync")).to_be_visible()
    assert post.rows(incidents.ROWS) == [{"rows": 31}]
    assert recorded(store, about="cus_late") == [(WHO, "try_now", "the lock is gone")]


def test_a_day_of_webhooks_was_missed(
    page: Page, start_console: Callable[..., Console], post: Post, store: Store
) -> None:
    with closing(SimulatedStripe(lived(steps=60, population=10))) as stripe:
        missed = len(stripe.account.events)
        console = start_console(**incidents.asking(stripe))
        page.goto(f"{console.url}/system")
        expect(page.get_by_text("none yet")).to_be_visible()
        page.get_by_label("Why look for missed events now?").fill("the endpoint was disabled")
        page.get_by_role("button", name="Run now").click()
        told = page.get_by_text(f"{missed} listed, {missed} missing.")
        wait_by_reloading(page, lambda: told.is_visible() and page.get_by_text("done").is_visible())
        post.drain()
        assert differences(stripe, post) == ()
        page.get_by_role("link", name="Activity").click()
        expect(page.get_by_role("row", name=re.compile("sweep.*the endpoint was disabled"))).to_be_visible()
    assert recorded(store) == [(WHO, "sweep", "the endpoint was disabled")]


def wait_by_reloading(page: Page, holds: Callable[[], bool]) -> None:
    """Load the page again until something stands on it: this one does not change by itself."""
    for _ in range(100):
        if holds():
            return
        page.wait_for_timeout(200)
        page.reload()
    raise AssertionError(page.get_by_role("main").inner_text())


def test_an_event_that_kills_workers(
    page: Page, console: Console, post: Post, store: Store, redis_url: str
) -> None:
    incidents.put(post, "cus_well", "evt_well")
    post.drain()
    incidents.put(post, "cus_poison", "evt_poison")
    incidents.poison(redis_url, crashes=2)
    page.goto(console.url)
    look(page, "2 workers in a row crashed while processing cus_poison.")
    expect(page.get_by_role("row", name=re.compile("cus_poison"))).to_contain_text("workers crashed 2 times")

    incidents.poison(redis_url, crashes=2)
    incidents.put(post, "cus_other", "evt_other")
    post.drain()
    assert post.ledger() == {"evt_well": "applied", "evt_other": "applied", "evt_poison": "dead"}
    page.get_by_role("link", name="Overview").click()
    look(page, "1 letter")
    page.get_by_role("row", name=re.compile("evt_poison")).get_by_role("link").first.click()
    expect(page.get_by_text("••• string").first).to_be_visible()
    assert "cus_poison@example.com" not in page.content()
    page.get_by_label("Why its values have to be seen").fill("BUG-9")
    page.get_by_role("button", name="Reveal").click()
    expect(page.get_by_text("cus_poison@example.com")).to_be_visible()
    page.get_by_role("link", name="Mask it again").click()
    expect(page.get_by_text("••• string").first).to_be_visible()
    assert "cus_poison@example.com" not in page.content()
    page.get_by_label("Reason for discarding").fill("BUG-9, fixed in Stripe")
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text(f"Discarded by {WHO}: BUG-9, fixed in Stripe")).to_be_visible()
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="Everything is in sync")).to_be_visible()
    assert recorded(store, about="cus_poison", action="reveal") == [(WHO, "reveal", "BUG-9")]


def test_a_person_is_forgotten_and_stands_nowhere(
    page: Page, own_console: Console, post: Post, store: Store, redis_url: str
) -> None:
    console = own_console
    stand_everywhere(store, post.mailboxes, post.database_url)
    before = places(post.database_url, redis_url)
    assert before >= EVERYWHERE  # else finding none afterwards would say nothing
    page.goto(f"{console.url}/customers/cus_1")
    page.get_by_role("link", name="Forget …").click()
    expect(page.get_by_role("heading", name="Forget this customer?")).to_be_visible()
    assert axe_problems(page) == []
    assert places(post.database_url, redis_url) == before
    page.get_by_label("Why, without naming the person").fill("request 4711")
    page.get_by_label("The customer's id, to confirm").fill("cus_1")
    page.get_by_role("button", name="Forget").click()
    expect(page.get_by_role("heading", name="Forgotten")).to_be_visible()

    assert places(post.database_url, redis_url) == set()
    shown = [
        (page.goto(f"{console.url}{path}"), page.content())[1]
        for path in ("/customers/cus_1", "/letters?status=all", "/waiting", "/activity", "/operations")
    ]
    told = [*shown, export(console), console.log.read_text() if console.log else ""]
    assert [text for text in told if names_person(text)] == []
    page.goto(console.url)  # an overview may be a second old: of before the person was forgotten
    wait_until(lambda: not names_person(page.content()), what="an overview that does not name the person")
    assert recorded(store, action="forget") == [(WHO, "forget", "request 4711")]


def export(console: Console) -> str:
    """Everything of every letter, as somebody takes it away."""
    words = ("letters", "export", "-", "--format", "ndjson", "--status", "all", "--bodies")
    command = (sys.executable, "-m", "cogento", *words)
    done = subprocess.run(command, env=os.environ | console.environment, capture_output=True, check=True)
    return (done.stdout + done.stderr).decode()
