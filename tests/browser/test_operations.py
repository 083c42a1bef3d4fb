"""Several dead letters at once in a real browser: filtered, picked, confirmed and discarded."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect

from cogento import runtime
from cogento.store.letter_records import LetterFilter, LetterStatus
from cogento.store.store import Store
from tests.browser.conftest import Console
from tests.support import builders
from tests.support.store_letters import letter

HALF_A_MINUTE = 30_000


def insert_letters(store: Store, numbers: range, **fields: str) -> None:
    """Insert letters of a customer each."""
    letters = []
    for number in numbers:
        customer = builders.customer(f"cus_{number}")
        body = builders.event_body("customer.updated", customer, id_=f"evt_{number}")
        whose = {"customer_id": f"cus_{number}", "object_id": f"cus_{number}"}
        letters.append(letter(str(number), raw_body=body, **whose, **fields))
    runtime.run(store.insert_dead_letters(letters))


def count(store: Store, status: LetterStatus) -> int:
    return runtime.run(store.letters.statuses(count_to=1000)).counts[status]


def test_picked_letters_are_discarded_without_script(
    chromium: Browser, console: Console, store: Store
) -> None:
    insert_letters(store, range(5))
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
