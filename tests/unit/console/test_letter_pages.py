"""The pages of dead letters over fake letters: what they show, and that nobody else can make them do anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cogento.console.web.app import create_app
from cogento.queue.redelivery import Redelivery
from cogento.store.letter_records import LetterStatus
from tests.support.fake_console import FakeDeadLetters, FakePoller, kept

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

SCRIPT = "<script>alert(1)</script>"


def browser(dead_letters: FakeDeadLetters) -> FlaskClient:
    return create_app(FakePoller(), dead_letters, hosts={"localhost"}, login=None).test_client()


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
    assert ">1 removal</i>" in client.get("/console/letters").text
    assert ">removal</i>" in client.get("/console/letters?fingerprint=f00d").text
    assert "(a removal)" in client.get("/console/letters/1").text


def test_no_letters_are_said_in_words() -> None:
    assert "Nobody has to deal with any." in browser(FakeDeadLetters()).get("/console/letters").text


@pytest.mark.parametrize("fingerprint", ["", "x" * 65])
def test_a_fingerprint_that_is_none_is_refused(fingerprint: str) -> None:
    answer = browser(FakeDeadLetters()).get("/console/letters", query_string={"fingerprint": fingerprint})
    assert answer.status_code == 400


def test_a_letter_is_shown_with_what_to_do() -> None:
    page = browser(FakeDeadLetters([kept()])).get("/console/letters/1").text
    assert "Nobody has dealt with it yet." in page
    assert "Look into it." in page
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
    answer = press(browser(dead_letters), "retry")
    assert (answer.status_code, answer.location) == (303, "/console/letters/1")
    assert [(done.action, done.who) for done in dead_letters.done] == [("retry", "local (console)")]


def test_a_letter_that_is_on_its_way_offers_no_action() -> None:
    dead_letters = FakeDeadLetters([kept(status=LetterStatus.RETRYING)])
    assert "<button>Retry</button>" not in browser(dead_letters).get("/console/letters/1").text


def test_a_retry_that_comes_to_nothing_says_why() -> None:
    answer = press(browser(FakeDeadLetters([kept()], answer=Redelivery.FULL)), "retry")
    assert answer.status_code == 409
    assert "its mailbox is full" in answer.text


def test_a_discard_keeps_the_reason() -> None:
    dead_letters = FakeDeadLetters([kept()])
    assert press(browser(dead_letters), "discard", why=" test data ").status_code == 303
    assert [(done.action, done.who, done.why) for done in dead_letters.done] == [
        ("discard", "local (console)", "test data")
    ]


@pytest.mark.parametrize("why", [{}, {"why": ""}, {"why": "   "}])
def test_a_discard_without_a_reason_is_refused(why: dict[str, str]) -> None:
    dead_letters = FakeDeadLetters([kept()])
    assert press(browser(dead_letters), "discard", **why).status_code == 400
    assert dead_letters.done == []


@pytest.mark.parametrize("action", ["retry", "discard"])
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


@pytest.mark.parametrize("action", ["retry", "discard"])
def test_looking_does_nothing(action: str) -> None:
    dead_letters = FakeDeadLetters([kept()])
    assert browser(dead_letters).get(f"/console/letters/1/{action}").status_code == 405
    assert dead_letters.done == []
