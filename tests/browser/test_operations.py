"""Many dead letters at once in a real browser: filtered, confirmed, watched, stopped, and continued after a crash."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

from cogento import runtime
from cogento.store.letter_records import LetterFilter, LetterStatus
from cogento.store.store import Store
from tests.browser.conftest import Console
from tests.support import builders
from tests.support.accessibility import axe_problems
from tests.support.servers import processes_under
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY = LetterFilter(statuses=frozenset(LetterStatus))
HALF_A_MINUTE = 30_000
MANY = 400


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = runtime.run(Store.open(database_url, pool_size=1, application_name="test"))
    yield opened
    runtime.run(opened.close())


def bury(store: Store, numbers: range, **fields: str) -> None:
    """Bury letters of a customer each."""
    letters = []
    for number in numbers:
        customer = builders.customer(f"cus_{number}")
        body = builders.event_body("customer.updated", customer, id_=f"evt_{number}")
        whose = {"customer_id": f"cus_{number}", "object_id": f"cus_{number}"}
        letters.append(letter(str(number), raw_body=body, **whose, **fields))
    runtime.run(store.insert_dead_letters(letters))


def count(store: Store, status: LetterStatus) -> int:
    return runtime.run(store.letters.statuses(count_to=1000)).counts[status]


def kill(console: Console) -> None:
    """End the console and its worker as a crash does."""
    assert console.process is not None
    for pid in reversed(processes_under(console.process.pid)):
        os.kill(pid, signal.SIGKILL)
    console.process.wait()


def test_letters_of_one_cause_are_retried_stopped_and_continued_after_a_crash(
    page: Page, own_console: Console, store: Store
) -> None:
    bury(store, range(MANY))
    bury(store, range(MANY, MANY + 3), reason="malformed")
    page.goto(f"{own_console.url}/letters")
    page.get_by_role("link", name=f"The {MANY} of this cause").click()
    page.get_by_role("link", name=f"Retry all {MANY} …").click()
    expect(
        page.get_by_role("heading", name=f"Retry {MANY} dead letters of {MANY} customers?")
    ).to_be_visible()
    assert axe_problems(page) == []
    page.get_by_label("Why will it work now?").fill("INC-7")
    page.get_by_label("At most … a second").fill("20")
    page.get_by_role("button", name=f"Retry {MANY} dead letters").click()
    expect(page.get_by_role("heading", name=f"Retrying {MANY} letters")).to_be_visible()
    assert axe_problems(page) == []
    expect(page.get_by_text(re.compile(r"[1-9]\d* letters?: back in its mailbox"))).to_be_visible()
    page.get_by_role("button", name="Stop after this batch").click()
    expect(page.get_by_text("stopped", exact=True)).to_be_visible(timeout=HALF_A_MINUTE)
    stopped_at = count(store, LetterStatus.RETRYING)
    assert 0 < stopped_at < MANY

    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("running", exact=True)).to_be_visible()
    address = page.url
    kill(own_console)
    killed_at = count(store, LetterStatus.RETRYING)
    assert killed_at < MANY
    own_console.start()
    page.goto(address)
    expect(page.get_by_text("interrupted", exact=True)).to_be_visible(timeout=2 * HALF_A_MINUTE)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("done", exact=True)).to_be_visible(timeout=2 * HALF_A_MINUTE)
    expect(page.get_by_text(f"{MANY} of {MANY} dealt with")).to_be_visible()
    assert (count(store, LetterStatus.RETRYING), count(store, LetterStatus.OPEN)) == (MANY, 3)

    page.get_by_role("link", name="Letters of this operation").click()
    expect(page.get_by_text("Letters, newest first")).to_be_visible()
    expect(page.get_by_role("link", name="Older →")).to_be_visible()


def test_picked_letters_are_discarded_without_script(
    chromium: Browser, console: Console, store: Store
) -> None:
    bury(store, range(5))
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{console.url}/letters")
    page.get_by_label("Customer, subscription or event", exact=True).fill("cus_3")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("checkbox", name=re.compile("Letter"))).to_have_count(1)
    page.get_by_role("link", name="Clear").click()
    page.get_by_role("checkbox", name=re.compile("Letter")).nth(0).check()
    page.get_by_role("checkbox", name=re.compile("Letter")).nth(2).check()
    page.get_by_role("button", name="Discard picked …").click()
    expect(page.get_by_role("heading", name="Discard 2 dead letters of 2 customers?")).to_be_visible()
    page.get_by_label("Reason for discarding").fill("test data")
    page.get_by_role("button", name="Discard 2 dead letters").click()
    expect(page.get_by_text("done", exact=True)).to_be_visible(timeout=HALF_A_MINUTE)
    context.close()
    assert count(store, LetterStatus.DISCARDED) == 2
    closed = runtime.run(store.letters.page(LetterFilter(statuses=frozenset({LetterStatus.DISCARDED}))))
    assert [(one.event_id, one.resolution) for one in closed] == [
        ("evt_4", "test data"),
        ("evt_2", "test data"),
    ]
