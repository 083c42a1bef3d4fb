"""The pages of bulk operations over fake letters: what is asked first, what is begun, and what is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from cogento.console.web import operations as operations_pages
from cogento.console.web.access import LocalAccess
from cogento.console.web.login import ConsoleRole, User
from cogento.store.letter_records import LetterFilter, LetterStatus
from cogento.store.operations import OPEN, OperationKind, OperationOutcome, OperationState
from tests.support.fake_console import (
    FakeDeadLetters,
    FakeOperations,
    fake_console,
    kept,
    operation,
)

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

SCRIPT = "<script>alert(1)</script>"
VIEWER = LocalAccess(User("bob", ConsoleRole.VIEWER))


def browser(dead_letters: FakeDeadLetters, login: LocalAccess | None = None) -> FlaskClient:
    return fake_console(dead_letters=dead_letters, login=login).test_client()


def token_of(client: FlaskClient, address: str) -> str:
    tokens: list[str] = re.findall(r'name="token" value="([^"]+)"', client.get(address).text)
    return tokens[0]


def press(client: FlaskClient, address: str, **fields: Any) -> TestResponse:
    """Send a form, with the token that a page gave."""
    return client.post(
        address, data={"token": token_of(client, "/console/letters/retry"), "letters": "2", **fields}
    )


def of(operations: FakeOperations, *letters: int) -> FakeDeadLetters:
    return FakeDeadLetters([kept(number) for number in letters or (2, 1)], operations=operations)


def test_the_list_leads_to_the_question_with_its_filters() -> None:
    page = browser(FakeDeadLetters([kept(2), kept(1)])).get("/console/letters?fingerprint=f00d").text
    assert 'href="/console/letters/retry?fingerprint=f00d"' in page
    assert 'href="/console/letters/discard?fingerprint=f00d"' in page


@pytest.mark.parametrize("action", ["retry", "discard"])
def test_the_question_says_how_many_of_how_many_customers_and_what_it_leaves_out(action: str) -> None:
    letters = [kept(3), kept(2, customer_id="cus_2"), kept(1, fingerprint="beef")]
    client = browser(FakeDeadLetters(letters, paused_customers=2))
    page = client.get(f"/console/letters/{action}?fingerprint=f00d").text
    assert f"{action.capitalize()} 2 dead letters of 2 customers?" in page
    assert "the newest of these is 3." in page
    assert 'name="letters" value="2"' in page
    assert "2 of the customers are paused" in page


def test_of_more_letters_than_are_looked_at_the_customers_are_at_least_so_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operations_pages, "CUSTOMERS_OF", 1)
    client = browser(FakeDeadLetters([kept(3), kept(2, customer_id="cus_2")], paused_customers=1))
    page = client.get("/console/letters/retry").text
    assert "Retry 2 dead letters of at least 2 customers?" in page
    assert "At least 1 of the customers is paused" in page


def test_only_open_letters_are_asked_about_whatever_the_list_showed() -> None:
    letters = [kept(2), kept(1, status=LetterStatus.DISCARDED)]
    page = browser(FakeDeadLetters(letters)).get("/console/letters/retry?status=all").text
    assert "Retry 1 dead letter of 1 customer?" in page


def test_where_nothing_matches_there_is_nothing_to_press() -> None:
    page = browser(FakeDeadLetters()).get("/console/letters/retry").text
    assert "No open letter matches." in page
    assert '<form class="confirm"' not in page


def test_what_was_confirmed_is_begun_up_to_the_newest_letter_that_was_seen() -> None:
    operations = FakeOperations()
    answer = press(
        browser(of(operations)),
        "/console/letters/retry",
        fingerprint="f00d",
        newest="2",
        why=" INC-7 ",
        rate="50",
    )
    assert (answer.status_code, answer.location) == (303, "/console/operations/7")
    (begun,) = operations.operations
    assert (begun.kind, begun.who, begun.why, begun.rate) == ("retry", "local (console)", "INC-7", 50)
    assert begun.filter == LetterFilter(statuses=OPEN, fingerprint="f00d", newest=2)
    assert begun.total == 2


def test_ticked_letters_alone_are_begun() -> None:
    operations = FakeOperations()
    client = browser(of(operations, 3, 2, 1))
    assert "Discard 2 dead letters" in client.get("/console/letters/discard?letter=3&letter=1").text
    press(client, "/console/letters/discard", letter=["3", "1"], newest="3", why="test data")
    (begun,) = operations.operations
    assert (begun.kind, begun.filter) == (
        OperationKind.DISCARD,
        LetterFilter(statuses=OPEN, ids=(3, 1), newest=3),
    )


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"why": ""}, "Say why it will work now."),
        ({"why": "x" * 501}, "at most 500 characters"),
        ({"why": "INC-7", "rate": "0"}, "rate is a whole number"),
        ({"why": "INC-7", "rate": "many"}, "rate is a whole number"),
        ({"why": "INC-7", "rate": "10001"}, "rate is a whole number"),
    ],
)
def test_a_form_that_is_refused_comes_back_with_what_was_typed(fields: dict[str, str], problem: str) -> None:
    operations = FakeOperations()
    answer = press(
        browser(of(operations)), "/console/letters/retry", newest="2", fingerprint="f00d", **fields
    )
    assert (answer.status_code, operations.operations) == (400, [])
    assert problem in answer.text
    assert f'name="why" value="{fields["why"]}"' in answer.text
    assert f'name="rate" value="{fields.get("rate", "")}"' in answer.text
    assert 'name="fingerprint" value="f00d"' in answer.text


def test_while_another_one_runs_the_form_comes_back_and_says_so() -> None:
    operations = FakeOperations(problem="Operation 6 runs, and one runs at a time.")
    answer = press(browser(of(operations)), "/console/letters/retry", newest="2", why="INC-7")
    assert (answer.status_code, "Operation 6 runs" in answer.text) == (409, True)
    assert 'name="why" value="INC-7"' in answer.text


@pytest.mark.parametrize("name", ["newest", "letters"])
@pytest.mark.parametrize("number", ["", "0", "-1", "x", "9" * 30])
def test_nothing_is_begun_that_does_not_say_up_to_which_letter_and_how_many(name: str, number: str) -> None:
    operations = FakeOperations()
    fields = {"newest": "2", "why": "INC-7", name: number}
    answer = press(browser(of(operations)), "/console/letters/retry", **fields)
    assert (answer.status_code, operations.operations) == (400, [])


def test_no_more_letters_can_be_ticked_than_a_page_has() -> None:
    ticked = {"letter": [str(number) for number in range(1, 102)]}
    assert browser(of(FakeOperations())).get("/console/letters/retry", query_string=ticked).status_code == 400


def test_progress_is_shown_with_what_became_of_the_letters() -> None:
    operations = FakeOperations(
        [operation(counts={"put_back": 211, "full": 1}, why=SCRIPT)],
        [
            OperationOutcome(LetterStatus.RESOLVED, "applied", 198),
            OperationOutcome(LetterStatus.OPEN, None, 1),
        ],
    )
    page = browser(of(operations)).get("/console/operations/7").text
    assert '<progress max="395" value="212"' in page
    assert "211 letters: queued again" in page
    assert "198 letters by now: applied" in page
    assert "1 letter by now: open again" in page
    assert '<meta http-equiv="refresh" content="1">' in page
    assert SCRIPT not in page


@pytest.mark.parametrize(
    ("state", "button"),
    [
        (OperationState.RUNNING, "Stop after this batch"),
        (OperationState.STOPPED, "Continue"),
        (OperationState.INTERRUPTED, "Continue"),
        (OperationState.FAILED, "Continue"),
    ],
)
def test_what_runs_can_be_stopped_and_what_ended_early_continued(state: OperationState, button: str) -> None:
    page = browser(of(FakeOperations([operation(state=state)]))).get("/console/operations/7").text
    assert f">{button}</button>" in page


@pytest.mark.parametrize("state", [OperationState.DONE, OperationState.STOPPING])
def test_what_is_done_offers_nothing(state: OperationState) -> None:
    page = browser(of(FakeOperations([operation(state=state)]))).get("/console/operations/7").text
    assert "<button>Stop" not in page
    assert ">Continue</button>" not in page


@pytest.mark.parametrize(
    ("action", "state"), [("stop", OperationState.STOPPING), ("continue", OperationState.RUNNING)]
)
def test_stop_and_continue_are_done_by_who_presses(action: str, state: OperationState) -> None:
    operations = FakeOperations([operation(state=OperationState.STOPPED)])
    answer = press(browser(of(operations)), f"/console/operations/7/{action}")
    assert (answer.status_code, answer.location) == (303, "/console/operations/7")
    assert [(one.state, one.who) for one in operations.operations] == [(state, "local (console)")]


def test_operations_are_listed() -> None:
    operations = FakeOperations([operation(8, who="ops-2"), operation(7)])
    page = browser(of(operations)).get("/console/operations").text
    assert 'href="/console/operations/8"' in page
    assert "ops-2" in page
    assert "0 of 395" in page


@pytest.mark.parametrize("number", ["1", "9" * 30])
def test_an_operation_that_does_not_exist_is_not_found(number: str) -> None:
    assert browser(FakeDeadLetters()).get(f"/console/operations/{number}").status_code == 404


@pytest.mark.parametrize(
    "address", ["/console/letters", "/console/letters/retry", "/console/letters/1", "/console/operations/7"]
)
def test_a_viewer_sees_the_page_and_no_button(address: str) -> None:
    dead_letters = of(FakeOperations([operation()]))
    dead_letters.payload = b"{}"
    answer = browser(dead_letters, VIEWER).get(address)
    main = answer.text[answer.text.index("<main") :]
    assert answer.status_code == 200
    assert 'method="post"' not in main
    assert 'checkbox" name="letter' not in main


@pytest.mark.parametrize(
    "address",
    [
        "/console/letters/retry",
        "/console/letters/discard",
        "/console/letters/1/retry",
        "/console/letters/1/discard",
        "/console/letters/1/reopen",
        "/console/letters/1/reveal",
        "/console/operations/7/stop",
        "/console/operations/7/continue",
    ],
)
def test_a_viewer_and_a_form_without_our_token_do_nothing(address: str) -> None:
    operations = FakeOperations([operation(state=OperationState.STOPPED)])
    dead_letters = of(operations)
    fields = {"why": "mine", "newest": "2", "letters": "2"}
    assert browser(dead_letters).post(address, data=fields).status_code == 403
    assert browser(dead_letters, VIEWER).post(address, data=fields).status_code == 403
    assert (dead_letters.done, operations.operations) == ([], [operation(state=OperationState.STOPPED)])
