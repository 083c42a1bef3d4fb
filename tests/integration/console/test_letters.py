"""`cogento letters`: grouped, explained, retried, discarded, exported; with a dry run before many are changed."""

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
from cogento.events.names import CustomerId, EventId
from cogento.retries import FailureClass
from cogento.store.dead_letters import DeadLetter
from cogento.store.letter_records import LetterFilter, LetterStatus
from cogento.store.operations import Operation, OperationKind, OperationState
from tests.integration.console.conftest import Run
from tests.support import builders
from tests.support.builders import NOW
from tests.support.store_letters import letter

if TYPE_CHECKING:
    from pathlib import Path

    from cogento.store.letter_records import Letter
    from cogento.store.store import Store
    from tests.support.looped import LoopedMailboxes
    from tests.support.stores import Happened

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


def insert_letters(store: Store, *letters: DeadLetter) -> None:
    runtime.run(store.insert_dead_letters(letters))


def kept(store: Store) -> list[Letter]:
    return sorted(runtime.run(store.letters.page(EVERY)), key=lambda one: one.event_id)


def activity(store: Store) -> list[tuple[str, str, str | None, str]]:
    return [(one.who, one.action, one.about, one.why) for one in runtime.run(store.activity.page())]


def begin(store: Store) -> Operation:
    """Begin an operation, as somebody else's process would."""
    terms = {"newest_letter": 1000, "total": 2, "who": "ada", "why": ""}
    return runtime.run(store.operations.begin(OperationKind.RETRY, LetterFilter(), **terms))  # type: ignore[arg-type]


def found(store: Store, number: int) -> Operation:
    operation = runtime.run(store.operations.read(number))
    assert operation is not None
    return operation


def waiting(mailboxes: LoopedMailboxes, customer: str = "cus_1") -> list[str]:
    return [listed.event_id for listed in mailboxes.view(CustomerId(customer)).waiting]


def test_nothing_is_said_in_words(run: Run) -> None:
    assert run("letters", "list").output == "There are none.\n"


def test_letters_are_grouped_by_what_they_died_of(run: Run, store: Store) -> None:
    insert_letters(store, dead(1), dead(2), dead(3, customer="cus_2", reason="malformed"))
    head, *lines = run("letters", "list").output.splitlines()
    assert head.split() == ["FINGERPRINT", "LETTERS", "CUSTOMERS", "LAST", "FAILED", "TYPE"]
    assert [line.split()[1:3] for line in lines[::2]] == [["2", "1"], ["1", "1"]]
    assert lines[1] == "  bug: Something we did not foresee."


def test_letters_of_one_cause_are_listed_one_by_one(run: Run, store: Store) -> None:
    insert_letters(store, dead(1), dead(2), dead(3, reason="malformed"))
    group = next(g for g in runtime.run(store.letters.groups()) if g.reason == "bug")
    listed = run("letters", "list", "--fingerprint", group.fingerprint).output
    assert "evt_1" in listed
    assert "evt_2" in listed
    assert "evt_3" not in listed


def test_each_lists_the_letters_of_several_causes(run: Run, store: Store) -> None:
    insert_letters(store, dead(1), dead(2, reason="malformed"))
    assert "evt_1" not in run("letters", "list").output
    assert "evt_1" in run("letters", "list", "--each").output


def test_a_list_of_what_stripe_sends_fits_a_terminal_of_100_columns(run: Run, store: Store) -> None:
    own = {
        "event_id": EventId("evt_1NXWPnCo6bFb1KQto6C8OWvE"),
        "customer_id": CustomerId("cus_9s6XKzkNRiz8i3"),
        "object_id": "sub_1MowQVLkdIwHu7ixeRlqHVzs",
        "event_type": "customer.subscription.pending_update_applied",
        "reason": "impossible_value",
        "failure_code": "23514",
        "constraint_name": "subscriptions_current_period_end_check",
        "message": "Postgres refused a value of this event: "
        + "it is not one that the column can hold, " * 4,
    }
    insert_letters(store, letter(**own))
    lines = run("letters", "list").output.splitlines()
    assert max(map(len, lines)) <= 100
    assert "evt_1NXWPnCo6bFb1KQto6C8OWvE" in lines[-1]


def test_a_list_says_where_it_is_cut_and_goes_on_from_there(run: Run, store: Store) -> None:
    insert_letters(store, *(dead(n) for n in range(5)))
    ids = [str(one.id) for one in kept(store)]
    first = run("letters", "list", "--limit", "3").output
    assert f"There are more letters: --below {ids[2]} shows those that follow." in first
    second = run("letters", "list", "--limit", "3", "--below", ids[2]).output
    assert "There are more" not in second
    assert ["evt_1" in second, "evt_0" in second, "evt_2" in second] == [True, True, False]


def test_a_list_says_that_there_are_more_causes(run: Run, store: Store) -> None:
    insert_letters(store, dead(1), dead(2, reason="malformed"))
    assert "There are more causes than these 1" in run("letters", "list", "--limit", "1").output
    told = json.loads(run("letters", "list", "--limit", "1", "--json").output)
    assert (len(told["groups"]), told["more_groups"], told["more_letters"]) == (1, True, True)


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
    insert_letters(
        store, dead(1), dead(2, customer="cus_2", reason="malformed", message="Odd.", removal=True)
    )
    listed = json.loads(run("letters", "list", "--json", *options).output)
    assert [one["event_id"] for one in listed["letters"]] == found


@pytest.mark.parametrize("age", ["yesterday", "3", "3 d", "-1h", "9999999d"])
def test_an_age_that_is_none_is_a_usage_error(run: Run, age: str) -> None:
    assert run("letters", "list", "--older", age).exit_code == 2


def test_an_age_from_before_all_letters_is_one_that_all_are_younger_than(run: Run, store: Store) -> None:
    insert_letters(store, dead(1))
    assert "evt_1" in run("letters", "list", "--newer", "999999w").output
    assert run("letters", "list", "--older", "999999w").output == "There are none.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("letters", "list", "--below", "9" * 20),
        ("letters", "operations", "--below", "9" * 20),
        ("letters", "retry", "--all", "--yes", "--rate", "3000000000"),
        ("changes", "--after", "9" * 20),
        ("verify", "--sample", "9" * 20),
    ],
)
def test_a_number_that_is_too_large_is_a_usage_error_that_says_the_range(
    run: Run, arguments: tuple[str, ...]
) -> None:
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert "is not in the range" in refused.stderr


@pytest.mark.parametrize("asked", ["evt_1", "NUMBER"])
def test_a_letter_is_shown_by_number_and_by_event(run: Run, store: Store, asked: str) -> None:
    insert_letters(
        store, dead(1, failure_class=FailureClass.PERMANENT, failure_code="23514", constraint_name="users_c")
    )
    (one,) = kept(store)
    shown = run("letters", "show", asked.replace("NUMBER", str(one.id))).output
    assert f"Letter {one.id}: evt_1" in shown
    assert "Open." in shown
    assert ADVICE[LetterReason.BUG] in shown
    assert "code                      23514" in shown
    assert "constraint                users_c" in shown


def test_the_body_s_sum_is_told_without_the_body(run: Run, store: Store) -> None:
    one = dead(1)
    insert_letters(store, one)
    sum_ = hashlib.sha256(one.raw_body).hexdigest()
    assert f"payload SHA-256           {sum_}" in run("letters", "show", "evt_1").output
    assert json.loads(run("letters", "show", "evt_1", "--json").output)["letter"]["raw_sha256"] == sum_
    assert json.loads(run("letters", "export", "-", "--format", "ndjson").stdout)["raw_sha256"] == sum_


def test_a_body_is_shown_only_when_asked_for(run: Run, store: Store) -> None:
    insert_letters(store, dead(1))
    assert CANARY not in run("letters", "show", "evt_1").output
    assert CANARY not in run("letters", "show", "evt_1", "--json").output
    assert CANARY in run("letters", "show", "evt_1", "--body").output
    told = json.loads(run("letters", "show", "evt_1", "--body", "--json").output)
    assert CANARY.encode() in base64.b64decode(told["body_base64"])


def test_who_saw_a_body_is_recorded_with_the_reason(run: Run, store: Store) -> None:
    insert_letters(store, dead(1))
    run("letters", "show", "evt_1")
    run("letters", "show", "evt_1", "--body", "--who", "ada", "--why", "support 811")
    assert activity(store) == [("ada", "reveal", "cus_1", "support 811")]


def test_who_exported_bodies_is_recorded(run: Run, store: Store) -> None:
    insert_letters(store, dead(1), dead(2))
    run("letters", "export", "-", "--format", "ndjson")
    run("letters", "export", "-", "--format", "ndjson", "--bodies", "--who", "ada", "--why", "support 811")
    (entry,) = runtime.run(store.activity.page())
    assert (entry.who, entry.action, entry.why, entry.details) == (
        "ada",
        "reveal",
        "support 811",
        {"exported": 2},
    )


def test_a_body_cannot_command_the_terminal(run: Run, store: Store) -> None:
    insert_letters(store, letter(raw_body=b'{"name": "\x1b]0;owned\x07 \xff\xe2\x80\xae"}\r\x9b31m'))
    shown = run("letters", "show", "evt_1", "--body").output
    assert r"\x1b]0;owned\x07 \xff\u202e" in shown
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(shown)


def test_a_body_that_was_erased_is_said_so(run: Run, store: Store) -> None:
    insert_letters(store, dead(1))
    runtime.run(store.letters.discard([kept(store)[0].id], why="-", who="-"))
    runtime.run(store.letters.erase_bodies(after_days=0))
    assert "The body was erased" in run("letters", "show", "evt_1", "--body").output


@pytest.mark.parametrize("command", [("retry", "evt_1"), ("retry", "--all", "--yes")])
def test_an_open_letter_of_a_deleted_customer_is_to_be_discarded_and_not_retried(
    run: Run, store: Store, applied: Happened, command: tuple[str, ...]
) -> None:
    applied("customer.created", builders.customer(), id_="evt_c")
    applied("customer.deleted", builders.customer(), id_="evt_gone", created=NOW + 50)
    insert_letters(store, dead(1))
    shown, retried = run("letters", "show", "evt_1").output, run("letters", *command)
    assert "it cannot be retried. Discard it." in shown
    assert ADVICE[LetterReason.BUG] not in shown
    assert retried.exit_code == 1
    assert "1 left as it is: already being retried, closed, or without its bytes" in retried.output
    assert run("letters", "discard", "evt_1", "--why", "the customer is gone").exit_code == 0


@pytest.mark.parametrize("asked", ["evt_9", "999", "9" * 30, "cus_1"])
@pytest.mark.parametrize("command", ["show", "retry"])
def test_a_letter_that_does_not_exist_fails_in_one_line(
    run: Run, store: Store, command: str, asked: str
) -> None:
    insert_letters(store, dead(1))
    failed = run("letters", command, asked)
    assert (failed.exit_code, failed.stderr.count("\n")) == (1, 1)


def test_a_named_letter_is_put_back_and_the_record_says_who_and_why(
    run: Run, store: Store, mailboxes: LoopedMailboxes
) -> None:
    insert_letters(store, dead(1), dead(2))
    done = run("letters", "retry", "evt_1", "--who", "ada", "--why", "release 7")
    assert done.exit_code == 0
    assert "Requeued 1 of 1 letters" in done.output
    assert waiting(mailboxes) == ["evt_1"]
    shown = run("letters", "show", "evt_1").output
    assert "its event is queued for its customer" in shown
    assert "retry   ada  release 7" in shown


def test_who_is_the_systems_user_unless_said_otherwise(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    insert_letters(store, dead(1))
    run("letters", "discard", "evt_1", "--why", "test data")
    assert kept(store)[0].resolved_by == "grace"


def test_many_are_only_counted_until_somebody_says_yes(
    run: Run, store: Store, mailboxes: LoopedMailboxes
) -> None:
    insert_letters(store, *(dead(n, customer=f"cus_{n % 3}") for n in range(7)))
    assert "would retry 7 letters of 3 customers." in run("letters", "retry", "--all").output
    assert mailboxes.status().waiting == 0
    assert {one.status for one in kept(store)} == {LetterStatus.OPEN}


def test_what_would_be_done_is_told_to_programs_too(run: Run, store: Store) -> None:
    insert_letters(store, dead(1), dead(2, reason="malformed"))
    told = json.loads(run("letters", "discard", "--reason", "bug", "--why", "-", "--json").output)
    assert (told["would"], told["letters"], told["customers"]) == ("discard", 1, 1)


def test_all_that_match_are_put_back_in_their_order(
    run: Run, store: Store, mailboxes: LoopedMailboxes
) -> None:
    insert_letters(store, *(dead(n, created=NOW - n) for n in range(1, 6)), dead(9, reason="malformed"))
    done = run("letters", "retry", "--reason", "bug", "--yes")
    assert "Requeued 5 of 5 letters" in done.output
    assert waiting(mailboxes) == ["evt_5", "evt_4", "evt_3", "evt_2", "evt_1"]
    assert [one.event_id for one in kept(store) if one.status is LetterStatus.OPEN] == ["evt_9"]


def test_many_are_one_operation_that_others_see(run: Run, store: Store) -> None:
    insert_letters(store, *(dead(n) for n in range(3)))
    assert run("letters", "retry", "--all", "--yes", "--who", "ada", "--why", "release 7").exit_code == 0
    (one,) = json.loads(run("letters", "operations", "--json").output)
    assert (one["kind"], one["state"], one["total"], one["processed"]) == ("retry", "done", 3, 3)
    assert (one["who"], one["why"], one["counts"]) == ("ada", "release 7", {"put_back": 3})
    assert activity(store) == [("ada", "retry", None, "release 7")]
    assert "3 of 3" in run("letters", "operations").output


def test_several_named_letters_are_one_operation_and_those_not_open_are_said_so(
    run: Run, store: Store, mailboxes: LoopedMailboxes
) -> None:
    insert_letters(store, *(dead(n) for n in range(4)))
    run("letters", "discard", "evt_0", "--why", "test data")
    told = json.loads(run("letters", "retry", "evt_0", "evt_2", "evt_1", "evt_2", "--json").stdout)
    assert (told["asked"], told["put_back"]) == (3, 2)
    assert sorted(one["result"] for one in told["letters"]) == ["not_open", "put_back", "put_back"]
    assert waiting(mailboxes) == ["evt_1", "evt_2"]
    assert told["operation"] is not None


def test_one_named_letter_is_dealt_with_while_an_operation_runs(run: Run, store: Store) -> None:
    insert_letters(store, dead(1), dead(2))
    begin(store)
    assert run("letters", "retry", "evt_1").exit_code == 0
    refused = run("letters", "retry", "--all", "--yes")
    assert refused.exit_code == 1
    assert "one runs at a time" in refused.stderr


def test_an_operation_is_stopped_and_continued_by_its_number(
    run: Run, store: Store, mailboxes: LoopedMailboxes
) -> None:
    insert_letters(store, dead(1), dead(2))
    number = str(begin(store).id)
    assert run("letters", "stop", number, "--who", "bob").exit_code == 0
    assert run("letters", "continue", number).exit_code == 1  # it is yet to notice
    runtime.run(store.operations.finish(found(store, int(number)), OperationState.STOPPED))
    done = run("letters", "continue", number, "--who", "eve")
    assert (done.exit_code, "2 of 2 in all" in done.output) == (0, True)
    assert waiting(mailboxes) == ["evt_1", "evt_2"]
    assert [one[:2] for one in activity(store)] == [("eve", "continue"), ("bob", "stop")]


@pytest.mark.parametrize("command", ["stop", "continue"])
def test_an_operation_that_does_not_exist_fails_in_one_line(run: Run, command: str) -> None:
    failed = run("letters", command, "7")
    assert (failed.exit_code, failed.stderr.count("\n")) == (1, 1)


def test_no_operations_are_said_in_words(run: Run) -> None:
    assert run("letters", "operations").output == "There are none.\n"


def test_nothing_that_matches_is_nothing_done(run: Run) -> None:
    done = run("letters", "retry", "--all", "--yes")
    assert (done.exit_code, "Requeued 0 of 0 letters" in done.output) == (0, True)


def test_letters_in_other_hands_are_left_there(run: Run, store: Store) -> None:
    insert_letters(store, dead(1))
    run("letters", "retry", "evt_1")
    again = run("letters", "retry", "evt_1")
    assert again.exit_code == 1
    assert "1 left as it is: already being retried, closed, or without its bytes" in again.output
    assert kept(store)[0].replays == 1


def test_bytes_that_are_no_event_are_left_open_and_said_so(run: Run, store: Store) -> None:
    insert_letters(store, letter(raw_body=b"\x01scribble", reason="malformed"))
    told = json.loads(run("letters", "retry", "evt_1", "--json").stdout)
    assert (told["put_back"], told["letters"][0]["result"]) == (0, "unreadable")
    assert (kept(store)[0].status, kept(store)[0].replays) == (LetterStatus.OPEN, 0)


@pytest.mark.parametrize("arguments", [(), ("evt_1", "--all"), ("evt_1", "--reason", "bug")])
def test_letters_are_named_or_described(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("letters", "retry", *arguments).exit_code == 2


def test_a_discarded_letter_is_closed_with_the_reason(run: Run, store: Store) -> None:
    insert_letters(store, dead(1), dead(2))
    assert run("letters", "discard", "evt_1", "--why", "test data", "--who", "ada").exit_code == 0
    closed, other = kept(store)
    assert (closed.status, closed.resolution, closed.resolved_by) == ("discarded", "test data", "ada")
    assert other.status is LetterStatus.OPEN
    assert "Discarded by ada: test data" in run("letters", "show", "evt_1").output


@pytest.mark.parametrize("why", [(), ("--why", "  ")])
def test_a_discard_wants_a_reason(run: Run, store: Store, why: tuple[str, ...]) -> None:
    insert_letters(store, dead(1))
    assert run("letters", "discard", "evt_1", *why).exit_code == 2
    assert kept(store)[0].status is LetterStatus.OPEN


def test_a_discarded_letter_is_reopened_and_can_be_retried(
    run: Run, store: Store, mailboxes: LoopedMailboxes
) -> None:
    insert_letters(store, dead(1))
    run("letters", "discard", "evt_1", "--why", "test data")
    done = run("letters", "reopen", "evt_1", "--why", "it was not", "--who", "ada")
    assert (done.exit_code, done.output) == (0, "Reopened 1 of 1 letters.\n")
    (one,) = kept(store)
    assert (one.status, one.resolution, one.resolved_by, one.resolved_at) == ("open", None, None, None)
    assert run("letters", "retry", "evt_1").exit_code == 0
    assert waiting(mailboxes) == ["evt_1"]
    assert ("ada", "reopen", "cus_1", "it was not") in activity(store)


def test_what_cannot_be_retried_is_not_reopened(run: Run, store: Store) -> None:
    insert_letters(store, dead(1), dead(2), dead(3))
    first, second, _ = [one.id for one in kept(store)]
    run("letters", "discard", str(first), str(second), "--why", "test data")
    runtime.run(store.letters.erase_bodies(after_days=0))
    insert_letters(store, dead(2))
    done = run("letters", "reopen", str(first), str(second), "evt_3", "--why", "-")
    assert (done.exit_code, done.stdout) == (1, "Reopened 0 of 3 letters.\n")


def test_of_an_event_discarded_twice_the_newer_letter_is_reopened(run: Run, store: Store) -> None:
    insert_letters(store, dead(1))
    run("letters", "discard", "evt_1", "--why", "-")
    insert_letters(store, dead(1))
    run("letters", "discard", "evt_1", "--why", "-")
    older, newer = sorted(one.id for one in kept(store))
    assert "Reopened 1 of 2" in run("letters", "reopen", str(older), str(newer), "--why", "-").output
    assert {one.id: one.status for one in kept(store)} == {older: "discarded", newer: "open"}


@pytest.mark.parametrize("why", [(), ("--why", "  ")])
def test_a_reopening_wants_a_reason(run: Run, store: Store, why: tuple[str, ...]) -> None:
    insert_letters(store, dead(1))
    assert run("letters", "reopen", "evt_1", *why).exit_code == 2


def test_an_export_is_one_object_a_line_for_its_owner_alone(run: Run, store: Store, tmp_path: Path) -> None:
    insert_letters(store, dead(1), dead(2))
    file = tmp_path / "letters.ndjson"
    said = run("letters", "export", str(file)).stderr
    assert said == f"Wrote 2 letters to {file}, without their bodies.\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["event_id"] for line in lines] == ["evt_2", "evt_1"]
    assert CANARY not in file.read_text()


def test_an_export_with_bodies_holds_the_exact_bytes(run: Run, store: Store) -> None:
    one = dead(1)
    insert_letters(store, one)
    (line,) = run("letters", "export", "-", "--format", "ndjson", "--bodies").stdout.splitlines()
    assert base64.b64decode(json.loads(line)["body_base64"]) == one.raw_body


def test_a_csv_holds_no_formula(run: Run, store: Store) -> None:
    insert_letters(store, dead(1, message="=HYPERLINK(1)", failure_code="@SUM", object_id="'quoted"))
    (row,) = csv.DictReader(io.StringIO(run("letters", "export", "-", "--format", "csv").stdout))
    assert (row["message"], row["failure_code"], row["object_id"]) == ("'=HYPERLINK(1)", "'@SUM", "''quoted")
    assert row["event_id"] == "evt_1"


def test_an_export_of_nothing_is_a_line_of_names(run: Run) -> None:
    assert run("letters", "export", "-", "--format", "csv").stdout.startswith("id,event_id,event_type")


def test_an_export_overwrites_no_file(run: Run, store: Store, tmp_path: Path) -> None:
    insert_letters(store, dead(1))
    file = tmp_path / "letters.csv"
    file.write_text("mine")
    assert run("letters", "export", str(file)).exit_code == 1
    assert file.read_text() == "mine"


def test_an_export_that_failed_leaves_no_file_and_the_next_one_is_whole(
    run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_letters(store, dead(1), dead(2))
    file = tmp_path / "letters.csv"
    with monkeypatch.context() as broken:
        broken.setattr("cogento.console.dead_letters.DeadLetterService.body", None)
        assert run("letters", "export", str(file), "--bodies").exit_code == 1
    assert list(tmp_path.iterdir()) == []
    assert run("letters", "export", str(file), "--bodies").exit_code == 0
    assert list(tmp_path.iterdir()) == [file]


def test_an_export_of_no_known_form_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    assert run("letters", "export", str(tmp_path / "letters.xlsx")).exit_code == 2


def test_explain_names_the_letter(run: Run, store: Store) -> None:
    insert_letters(store, dead(1))
    assert f"`cogento letters show {kept(store)[0].id}`" in run("explain", "cus_1").output
