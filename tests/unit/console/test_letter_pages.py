"""The pages of dead letters over fake letters: what they show, and that nobody else can make them do anything."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest

from cogento.console.web.letters import LISTED, LOOKED_THROUGH
from cogento.events.names import EventId
from cogento.queue.redelivery import Redelivery
from cogento.store.letter_records import LetterAction, LetterRow, LetterStatus, RowSince
from tests.support.fake_console import WHEN, FakeDeadLetters, fake_console, kept

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

SCRIPT = "<script>alert(1)</script>"


def browser(dead_letters: FakeDeadLetters) -> FlaskClient:
    return fake_console(dead_letters=dead_letters).test_client()


def press(client: FlaskClient, action: str, **fields: str) -> TestResponse:
    """Send the form of letter 1, with the token that its page gave."""
    token = re.findall(r'name="token" value="([^"]+)"', client.get("/console/letters/1").text)[0]
    return client.post(f"/console/letters/1/{action}", data={"token": token, **fields})


def test_letters_are_listed_by_cause() -> None:
    page = browser(FakeDeadLetters([kept()])).get("/console/letters").text
    assert "Something we did not foresee." in page
    assert 'href="/console/letters?fingerprint=f00d"' in page


def test_letters_of_one_cause_are_listed_one_by_one() -> None:
    dead_letters = FakeDeadLetters([kept(1), kept(2, fingerprint="beef")])
    page = browser(dead_letters).get("/console/letters?fingerprint=f00d").text
    assert "evt_1" in page
    assert "evt_2" not in page


def test_letters_that_take_something_away_are_marked_in_both_lists() -> None:
    client = browser(FakeDeadLetters([kept(removal=True)]))
    assert ">1 cancellation or deletion</i>" in client.get("/console/letters").text
    assert ">cancellation or deletion</i>" in client.get("/console/letters?fingerprint=f00d").text
    assert ">cancellation or deletion</span>" in client.get("/console/letters/1").text


def test_no_letters_are_said_in_words() -> None:
    assert "No open dead letters." in browser(FakeDeadLetters()).get("/console/letters").text


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("status", "deleted"),
        ("reason", "hunger"),
        ("older", "yesterday"),
        ("newer", "-1d"),
        ("below", "0"),
        ("below", "-1"),
        ("below", "1e9"),
        ("below", "9" * 30),
        ("letter", "evt_1"),
        ("fingerprint", "x" * 256),
    ],
)
def test_what_is_no_filter_is_refused_by_its_name(field: str, word: str) -> None:
    answer = browser(FakeDeadLetters()).get("/console/letters", query_string={field: word})
    assert (answer.status_code, field in answer.text) == (400, True)


def test_a_filter_stays_in_the_links_of_the_page() -> None:
    page = browser(FakeDeadLetters([kept()])).get("/console/letters?status=open&reason=bug&newer=2w").text
    assert 'href="/console/letters?status=discarded&amp;reason=bug&amp;newer=2w"' in page
    assert 'href="/console/letters?status=open&amp;reason=bug&amp;newer=2w&amp;fingerprint=f00d"' in page
    assert "<option selected>bug</option>" in page


def test_closed_letters_are_listed_too() -> None:
    client = browser(FakeDeadLetters([kept(status=LetterStatus.DISCARDED)]))
    assert "evt_1" not in client.get("/console/letters").text
    assert "evt_1" in client.get("/console/letters?status=discarded").text
    assert "evt_1" in client.get("/console/letters?status=all").text


def test_there_is_a_way_to_older_letters_and_back() -> None:
    client = browser(FakeDeadLetters([kept(number) for number in range(LISTED + 1, 0, -1)]))
    first = client.get("/console/letters").text
    assert 'href="/console/letters?below=2"' in first
    older = client.get("/console/letters?below=2").text
    assert ">evt_1</span>" in older
    assert "Older →" not in older
    assert '<a href="/console/letters">← Newest</a>' in older


def test_a_text_is_looked_for_in_the_newest_letters_and_then_in_older_ones() -> None:
    client = browser(FakeDeadLetters([kept(LOOKED_THROUGH + 2), kept(1)]))
    first = client.get("/console/letters?text=evt").text
    assert "looked for in letters 3 to 20,002." in first
    assert ">evt_20002</span>" in first
    assert ">evt_1</span>" not in first
    assert 'href="/console/letters?text=evt&amp;below=3">Look through older letters →' in first
    older = client.get("/console/letters?text=evt&below=3").text
    assert "looked for in letters 1 to 2." in older
    assert ">evt_1</span>" in older
    assert "Look through older letters" not in older
    assert "looked for in letters" not in browser(FakeDeadLetters()).get("/console/letters?text=evt").text


def test_the_count_of_older_letters_with_a_text_is_not_offered_as_all_of_them() -> None:
    client = browser(FakeDeadLetters([kept(number) for number in range(LISTED + 1, 0, -1)]))
    older = client.get("/console/letters?text=evt&below=2").text
    assert "Discard all of them …" in older
    assert 'href="/console/letters/discard?text=evt"' in older
    assert 'href="/console/letters?text=evt&amp;fingerprint=f00d&amp;below=2" aria-label="The 1 of' in older


def test_a_list_says_where_it_counts_no_further() -> None:
    dead_letters = FakeDeadLetters([kept()], many=True)
    client = browser(dead_letters)
    page = client.get("/console/letters").text
    assert "Causes, of the newest 10,000 letters" in page
    assert "Retry all of them …" in page
    assert "Resolved more than 10,000" in page
    assert "Open letters with the same cause: more than 10,000" in client.get("/console/letters/1").text


def test_the_page_says_whether_the_row_still_lacks_the_event() -> None:
    row = LetterRow(RowSince.OLDER, EventId("evt_0"), WHEN, has_ended=False)
    client = browser(FakeDeadLetters([kept()], row=row))
    assert '<td data-th="Row shows"><span>older</span></td>' in client.get("/console/letters").text
    assert "which is older: this event is still missing." in client.get("/console/letters/1").text


def test_a_payload_is_shown_masked() -> None:
    payload = b'{"id": "evt_1", "data": {"object": {"name": "Ada Canary"}}}'
    page = browser(FakeDeadLetters([kept()], payload=payload)).get("/console/letters/1").text
    assert "Canary" not in page
    assert '<b>name</b> <span class="soft">••• string</span>' in page


def test_a_payload_is_revealed_to_who_says_why_and_that_is_recorded() -> None:
    dead_letters = FakeDeadLetters([kept()], payload=b'{"name": "Ada <Canary>"}')
    page = press(browser(dead_letters), "reveal", why="support 811").text
    assert "Ada &lt;Canary&gt;" in page
    assert [(done.action, done.who, done.why) for done in dead_letters.done] == [
        ("reveal", "local (console)", "support 811")
    ]


def test_an_erased_payload_is_said_to_be_erased() -> None:
    assert "The payload was erased." in browser(FakeDeadLetters([kept()])).get("/console/letters/1").text


def test_the_history_is_told_in_order() -> None:
    done = [LetterAction(WHEN + dt.timedelta(hours=1), "retry", "ops-1", SCRIPT)]
    letter = kept(received_at=WHEN + dt.timedelta(seconds=3), died_at=WHEN + dt.timedelta(seconds=9))
    page = browser(FakeDeadLetters([letter], done=done)).get("/console/letters/1").text
    told = re.findall(r'<td data-th="What"><span>([^<]*)</span>', page)
    assert told == ["created in Stripe", "received (webhook)", "attempt 5 failed", "retry"]
    assert SCRIPT not in page


@pytest.mark.parametrize("address", ["/console/letters", "/console/letters?status=all", "/console/letters/1"])
def test_programs_get_the_same_as_json(address: str) -> None:
    client = browser(FakeDeadLetters([kept()], payload=b"{}"))
    answer = client.get(address, headers={"Accept": "application/json"})
    assert answer.json is not None
    assert "evt_1" in answer.text


def test_a_letter_is_shown_with_what_to_do() -> None:
    page = browser(FakeDeadLetters([kept()])).get("/console/letters/1").text
    assert "Open." in page
    assert "Look into it." in page
    assert ">Retry</button>" in page
    assert "P0001" in page
    assert "ab" * 32 in page


def test_text_of_a_letter_is_shown_as_text() -> None:
    page = browser(FakeDeadLetters([kept(object_id=SCRIPT, message=SCRIPT)])).get("/console/letters/1").text
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page


def test_a_letter_that_does_not_exist_is_not_found() -> None:
    assert browser(FakeDeadLetters()).get("/console/letters/1").status_code == 404


def test_a_retry_puts_it_back_and_returns_to_its_page() -> None:
    dead_letters = FakeDeadLetters([kept()])
    answer = press(browser(dead_letters), "retry", why="fixed")
    assert (answer.status_code, answer.location) == (303, "/console/letters/1")
    assert [(done.action, done.who) for done in dead_letters.done] == [("retry", "local (console)")]


def test_a_letter_that_is_on_its_way_offers_no_action() -> None:
    dead_letters = FakeDeadLetters([kept(status=LetterStatus.RETRYING)])
    assert ">Retry</button>" not in browser(dead_letters).get("/console/letters/1").text


def test_an_open_letter_without_its_bytes_can_only_be_discarded() -> None:
    page = browser(FakeDeadLetters([kept(has_body=False)])).get("/console/letters/1").text
    assert ">Retry</button>" not in page
    assert "Discard" in page


def test_a_retry_that_comes_to_nothing_says_why() -> None:
    answer = press(browser(FakeDeadLetters([kept()], answer=Redelivery.FULL)), "retry", why="fixed")
    assert answer.status_code == 409
    assert "its customer has too many events waiting" in answer.text


def test_a_discard_keeps_the_reason() -> None:
    dead_letters = FakeDeadLetters([kept()])
    assert press(browser(dead_letters), "discard", why=" test data ").status_code == 303
    assert [(done.action, done.who, done.why) for done in dead_letters.done] == [
        ("discard", "local (console)", "test data")
    ]


def test_a_discard_can_be_taken_back() -> None:
    dead_letters = FakeDeadLetters([kept(status=LetterStatus.DISCARDED)], payload=b"{}")
    assert press(browser(dead_letters), "reopen", why="needed").status_code == 303
    assert [(done.action, done.why) for done in dead_letters.done] == [("reopen", "needed")]


@pytest.mark.parametrize("action", ["retry", "discard", "reopen", "reveal"])
@pytest.mark.parametrize("why", [{}, {"why": ""}, {"why": "   "}, {"why": "x" * 501}])
def test_nothing_is_done_without_a_reason_of_a_decent_length(action: str, why: dict[str, str]) -> None:
    dead_letters = FakeDeadLetters([kept()])
    assert press(browser(dead_letters), action, **why).status_code == 400
    assert dead_letters.done == []


@pytest.mark.parametrize("action", ["retry", "discard", "reopen", "reveal"])
@pytest.mark.parametrize("token", [{}, {"token": ""}, {"token": "forged"}])
def test_a_form_without_our_token_does_nothing(action: str, token: dict[str, str]) -> None:
    dead_letters = FakeDeadLetters([kept()])
    answer = browser(dead_letters).post(f"/console/letters/1/{action}", data={"why": "mine", **token})
    assert answer.status_code == 403
    assert dead_letters.done == []


def test_a_token_of_another_console_does_nothing() -> None:
    other, dead_letters = browser(FakeDeadLetters([kept()])), FakeDeadLetters([kept()])
    token = re.findall(r'name="token" value="([^"]+)"', other.get("/console/letters/1").text)[0]
    assert browser(dead_letters).post("/console/letters/1/retry", data={"token": token}).status_code == 403
    assert dead_letters.done == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Origin", "https://evil.example")],
)
def test_a_form_from_another_site_does_nothing_even_with_our_token(name: str, value: str) -> None:
    dead_letters = FakeDeadLetters([kept()])
    client = browser(dead_letters)
    token = re.findall(r'name="token" value="([^"]+)"', client.get("/console/letters/1").text)[0]
    answer = client.post("/console/letters/1/retry", data={"token": token}, headers={name: value})
    assert answer.status_code == 403
    assert dead_letters.done == []


@pytest.mark.parametrize("action", ["retry", "discard", "reopen", "reveal"])
def test_looking_does_nothing(action: str) -> None:
    dead_letters = FakeDeadLetters([kept()])
    assert browser(dead_letters).get(f"/console/letters/1/{action}").status_code == 405
    assert dead_letters.done == []
