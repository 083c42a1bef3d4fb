"""`cogento letters`: grouped, explained, put back, thrown away, exported; rehearsed before it is done to many."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from cogento import runtime
from cogento.events.letters import ADVICE, LetterReason
from cogento.events.names import CustomerId
from cogento.retries import FailureClass
from cogento.store.dead_letters import DeadLetter
from cogento.store.letter_records import LetterFilter, LetterStatus
from tests.integration.console.conftest import Run
from tests.support import builders
from tests.support.builders import NOW
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from pathlib import Path

    from cogento.queue.mailboxes import Mailboxes
    from cogento.store.letter_records import Letter
    from cogento.store.store import Store

EVERY = LetterFilter(statuses=frozenset(LetterStatus))
CANARY = "ada.canary@example.com"


def dead(number: int, *, customer: str = "cus_1", created: int = NOW, **fields: Any) -> DeadLetter:
    """A letter with the event's own bytes, so that it can be put back."""
    body = builders.event_body(
        "customer.updated",
        builders.customer(customer, email=CANARY),
        id_=f"evt_{number}",
        created=created,
    )
    whose: dict[str, Any] = {"customer_id": CustomerId(customer), "object_id": customer}
    return letter(str(number), created=created, raw_body=body, **(whose | fields))


def bury(store: Store, *letters: DeadLetter) -> None:
    runtime.run(store.insert_dead_letters(letters))


def kept(store: Store) -> list[Letter]:
    return sorted(runtime.run(store.letters.page(EVERY)), key=lambda one: one.event_id)


def waiting(mailboxes: Mailboxes, customer: str = "cus_1") -> list[str]:
    return [listed.event_id for listed in mailboxes.view(CustomerId(customer)).waiting]


def test_nothing_is_said_in_words(run: Run) -> None:
    assert run("letters", "list").output == "There are none.\n"


def test_letters_are_grouped_by_what_they_died_of(run: Run, store: Store) -> None:
    bury(store, dead(1), dead(2), dead(3, customer="cus_2", reason="malformed"))
    lines = run("letters", "list").output.splitlines()
    assert [line.split()[1:3] for line in lines] == [["LETTERS", "CUSTOMERS"], ["2", "1"], ["1", "1"]]


def test_letters_of_one_cause_are_listed_one_by_one(run: Run, store: Store) -> None:
    bury(store, dead(1), dead(2), dead(3, reason="malformed"))
    group = next(g for g in runtime.run(store.letters.groups()) if g.reason == "bug")
    listed = run("letters", "list", "--fingerprint", group.fingerprint).output
    assert "evt_1" in listed
    assert "evt_2" in listed
    assert "evt_3" not in listed


def test_each_lists_the_letters_of_several_causes(run: Run, store: Store) -> None:
    bury(store, dead(1), dead(2, reason="malformed"))
    assert "evt_1" not in run("letters", "list").output
    assert "evt_1" in run("letters", "list", "--each").output


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--reason", "malformed"), ["evt_2"]),
        (("--type", "customer.updated"), ["evt_2", "evt_1"]),
        (("--type", "customer.deleted"), []),
        (("--customer", "cus_2"), ["evt_2"]),
        (("--older", "1h"), []),
        (("--newer", "1h"), ["evt_2", "evt_1"]),
        (("--text", "DID NOT foresee"), ["evt_1"]),
        (("--removals",), ["evt_2"]),
        (("--status", "discarded"), []),
        (("--status", "all"), ["evt_2", "evt_1"]),
    ],
)
def test_filters_narrow_the_list(run: Run, store: Store, options: tuple[str, ...], found: list[str]) -> None:
    bury(store, dead(1), dead(2, customer="cus_2", reason="malformed", message="Odd.", removal=True))
    listed = json.loads(run("letters", "list", "--json", *options).output)
    assert [one["event_id"] for one in listed["letters"]] == found


@pytest.mark.parametrize("age", ["yesterday", "3", "3 d", "-1h", "9999999d"])
def test_an_age_that_is_none_is_a_usage_error(run: Run, age: str) -> None:
    assert run("letters", "list", "--older", age).exit_code == 2


@pytest.mark.parametrize("asked", ["evt_1", "NUMBER"])
def test_a_letter_is_shown_by_number_and_by_event(run: Run, store: Store, asked: str) -> None:
    bury(
        store, dead(1, failure_class=FailureClass.PERMANENT, failure_code="23514", constraint_name="users_c")
    )
    (one,) = kept(store)
    shown = run("letters", "show", asked.replace("NUMBER", str(one.id))).output
    assert f"Letter {one.id}: evt_1" in shown
    assert "Nobody has dealt with it yet." in shown
    assert ADVICE[LetterReason.BUG] in shown
    assert "code          23514" in shown
    assert "constraint    users_c" in shown


def test_the_body_s_sum_is_told_without_the_body(run: Run, store: Store) -> None:
    one = dead(1)
    bury(store, one)
    sum_ = hashlib.sha256(one.raw_body).hexdigest()
    assert f"body SHA-256  {sum_}" in run("letters", "show", "evt_1").output
    assert json.loads(run("letters", "show", "evt_1", "--json").output)["letter"]["raw_sha256"] == sum_
    assert json.loads(run("letters", "export", "-", "--format", "ndjson").stdout)["raw_sha256"] == sum_


def test_a_body_is_shown_only_when_asked_for(run: Run, store: Store) -> None:
    bury(store, dead(1))
    assert CANARY not in run("letters", "show", "evt_1").output
    assert CANARY not in run("letters", "show", "evt_1", "--json").output
    assert CANARY in run("letters", "show", "evt_1", "--body").output
    told = json.loads(run("letters", "show", "evt_1", "--body", "--json").output)
    assert CANARY.encode() in base64.b64decode(told["body_base64"])


def test_a_body_cannot_command_the_terminal(run: Run, store: Store) -> None:
    bury(store, letter(raw_body=b'{"name": "\x1b]0;owned\x07 \xff\xe2\x80\xae"}\r\x9b31m'))
    shown = run("letters", "show", "evt_1", "--body").output
    assert r"\x1b]0;owned\x07 \xff\u202e" in shown
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(shown)


def test_a_body_that_was_erased_is_said_so(run: Run, store: Store) -> None:
    bury(store, dead(1))
    runtime.run(store.letters.discard([kept(store)[0].id], why="-", who="-"))
    runtime.run(store.letters.erase_bodies(after_days=0))
    assert "The body was erased" in run("letters", "show", "evt_1", "--body").output


@pytest.mark.parametrize("asked", ["evt_9", "999", "9" * 30, "cus_1"])
@pytest.mark.parametrize("command", ["show", "retry"])
def test_a_letter_that_does_not_exist_fails_in_one_line(
    run: Run, store: Store, command: str, asked: str
) -> None:
    bury(store, dead(1))
    failed = run("letters", command, asked)
    assert (failed.exit_code, failed.stderr.count("\n")) == (1, 1)


def test_a_named_letter_is_put_back_and_the_record_says_who_and_why(
    run: Run, store: Store, mailboxes: Mailboxes
) -> None:
    bury(store, dead(1), dead(2))
    done = run("letters", "retry", "evt_1", "--who", "ada", "--why", "release 7")
    assert done.exit_code == 0
    assert "Put back 1 of 1 letters" in done.output
    assert waiting(mailboxes) == ["evt_1"]
    shown = run("letters", "show", "evt_1").output
    assert "the event waits in its customer's mailbox" in shown
    assert "retry   ada  release 7" in shown


def test_who_is_the_systems_user_unless_said_otherwise(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    bury(store, dead(1))
    run("letters", "discard", "evt_1", "--why", "test data")
    assert kept(store)[0].resolved_by == "grace"


def test_many_are_only_counted_until_somebody_says_yes(run: Run, store: Store, mailboxes: Mailboxes) -> None:
    bury(store, *(dead(n, customer=f"cus_{n % 3}") for n in range(7)))
    assert "This would retry 7 letters of 3 customers." in run("letters", "retry", "--all").output
    assert mailboxes.status().waiting == 0
    assert {one.status for one in kept(store)} == {LetterStatus.OPEN}


def test_what_would_be_done_is_told_to_programs_too(run: Run, store: Store) -> None:
    bury(store, dead(1), dead(2, reason="malformed"))
    told = json.loads(run("letters", "discard", "--reason", "bug", "--why", "-", "--json").output)
    assert (told["would"], told["letters"], told["customers"]) == ("discard", 1, 1)


def test_all_that_match_are_put_back_in_their_order(run: Run, store: Store, mailboxes: Mailboxes) -> None:
    bury(store, *(dead(n, created=NOW - n) for n in range(1, 6)), dead(9, reason="malformed"))
    done = run("letters", "retry", "--reason", "bug", "--yes")
    assert "Put back 5 of 5 letters" in done.output
    assert waiting(mailboxes) == ["evt_5", "evt_4", "evt_3", "evt_2", "evt_1"]
    assert [one.event_id for one in kept(store) if one.status is LetterStatus.OPEN] == ["evt_9"]


def test_letters_in_other_hands_are_left_there(run: Run, store: Store) -> None:
    bury(store, dead(1))
    run("letters", "retry", "evt_1")
    again = run("letters", "retry", "evt_1")
    assert again.exit_code == 1
    assert "1 not open: taken by somebody else, or closed" in again.output
    assert kept(store)[0].replays == 1


def test_bytes_that_are_no_event_are_left_open_and_said_so(run: Run, store: Store) -> None:
    bury(store, letter(raw_body=b"\x01scribble", reason="malformed"))
    told = json.loads(run("letters", "retry", "evt_1", "--json").stdout)
    assert (told["put_back"], told["letters"][0]["result"]) == (0, "unreadable")
    assert (kept(store)[0].status, kept(store)[0].replays) == (LetterStatus.OPEN, 0)


@pytest.mark.parametrize("arguments", [(), ("evt_1", "--all"), ("evt_1", "--reason", "bug")])
def test_letters_are_named_or_described(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("letters", "retry", *arguments).exit_code == 2


def test_a_discarded_letter_is_closed_with_the_reason(run: Run, store: Store) -> None:
    bury(store, dead(1), dead(2))
    assert run("letters", "discard", "evt_1", "--why", "test data", "--who", "ada").exit_code == 0
    closed, other = kept(store)
    assert (closed.status, closed.resolution, closed.resolved_by) == ("discarded", "test data", "ada")
    assert other.status is LetterStatus.OPEN
    assert "Discarded by ada: test data" in run("letters", "show", "evt_1").output


@pytest.mark.parametrize("why", [(), ("--why", "  ")])
def test_a_discard_wants_a_reason(run: Run, store: Store, why: tuple[str, ...]) -> None:
    bury(store, dead(1))
    assert run("letters", "discard", "evt_1", *why).exit_code == 2
    assert kept(store)[0].status is LetterStatus.OPEN


def test_an_export_is_one_object_a_line_for_its_owner_alone(run: Run, store: Store, tmp_path: Path) -> None:
    bury(store, dead(1), dead(2))
    file = tmp_path / "letters.ndjson"
    said = run("letters", "export", str(file)).stderr
    assert said == f"Wrote 2 letters to {file}, without their bodies.\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["event_id"] for line in lines] == ["evt_2", "evt_1"]
    assert CANARY not in file.read_text()


def test_an_export_with_bodies_holds_the_exact_bytes(run: Run, store: Store) -> None:
    one = dead(1)
    bury(store, one)
    (line,) = run("letters", "export", "-", "--format", "ndjson", "--bodies").stdout.splitlines()
    assert base64.b64decode(json.loads(line)["body_base64"]) == one.raw_body


def test_a_csv_holds_no_formula(run: Run, store: Store) -> None:
    bury(store, dead(1, message="=HYPERLINK(1)", failure_code="@SUM", object_id="'quoted"))
    (row,) = csv.DictReader(io.StringIO(run("letters", "export", "-", "--format", "csv").stdout))
    assert (row["message"], row["failure_code"], row["object_id"]) == ("'=HYPERLINK(1)", "'@SUM", "''quoted")
    assert row["event_id"] == "evt_1"


def test_an_export_of_nothing_is_a_line_of_names(run: Run) -> None:
    assert run("letters", "export", "-", "--format", "csv").stdout.startswith("id,event_id,event_type")


def test_an_export_overwrites_no_file(run: Run, store: Store, tmp_path: Path) -> None:
    bury(store, dead(1))
    file = tmp_path / "letters.csv"
    file.write_text("mine")
    assert run("letters", "export", str(file)).exit_code == 1
    assert file.read_text() == "mine"


def test_an_export_of_no_known_form_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    assert run("letters", "export", str(tmp_path / "letters.xlsx")).exit_code == 2


def test_explain_names_the_letter(run: Run, store: Store) -> None:
    bury(store, dead(1))
    assert f"`cogento letters show {kept(store)[0].id}`" in run("explain", "cus_1").output
