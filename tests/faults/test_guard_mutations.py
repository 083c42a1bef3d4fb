"""Every guard is needed: removed from a copy of the source, it makes tests of the suite fail.

guard taken out                                  what fails without it
the ledger's insert                              a redelivery is no duplicate, and nobody knows what became of an event
the order's decision                             the newest delivery wins, and a late one brings the dead back
the lock of the rows                             two workers decide on the same state, and one undoes the other
the lock of the addresses                        new customers that share addresses wait for each other in a circle
the owner's check in settle                      a worker that outlived its lease ends another's
settling by id                                   an event that came meanwhile is removed instead of one that was done
the lock of numbering changes                    a reader goes past a change that is committed later
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from cogento.local.services import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "docs")
HISTORIES = "tests/integration/worker/test_cases_that_broke_others.py"
HONEST = "tests/faults/test_checker.py::test_an_honest_history_has_no_problems"


@dataclass(frozen=True, slots=True)
class Edit:
    """Every match of `pattern` in a file becomes `replacement`."""

    file: str
    pattern: str
    replacement: str = ""


@dataclass(frozen=True, slots=True)
class Mutation:
    """How a guard is taken out, and which tests must notice."""

    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


LOCKING = ("users_lock", "users_lock_with_claimants", "users_join_claimants", "objects_lock")

MUTATIONS = {
    "the ledger's insert": Mutation(
        (
            Edit(
                "cogento/store/ledger.py",
                r"answer = await connection\.fetchrow\(statement, \*named_arrays\(statement, columns\)\)",
                "return True",
            ),
        ),
        (
            HONEST,
            "tests/integration/worker/test_loop.py::test_a_customer_and_its_subscription_become_rows_and_leave_the_mailbox",
            "tests/faults/test_worker_deaths.py::test_f7_a_worker_killed_between_commit_and_settle_has_one_effect",
        ),
    ),
    "the order's decision": Mutation(
        (Edit("cogento/ordering/order.py", r" and is_plainly_last\(versions\[0\], evidence\):", ":"),),
        (
            "tests/integration/store/test_users.py::test_an_older_event_leaves_the_row_alone",
            f"{HISTORIES}::test_case_3_an_older_update_does_not_bring_a_deleted_customer_back",
        ),
    ),
    "the lock of the rows": Mutation(
        tuple(Edit(f"schema/queries/{name}.sql", r"\nFOR NO KEY UPDATE.*") for name in LOCKING),
        (HONEST, f"{HISTORIES}::test_case_9_of_two_workers_at_one_row_the_newer_state_stays"),
    ),
    "the lock of the addresses": Mutation(
        (
            Edit(
                "schema/queries/emails_lock.sql",
                r"pg_advisory_xact_lock\(\$1::INTEGER # .*, bucket\)",
                "$1 + bucket",
            ),
            Edit(
                "schema/queries/emails_try_lock.sql",
                r"pg_try_advisory_xact_lock\(\$1::INTEGER # .*, bucket\)",
                "$1 + bucket IS NOT NULL",
            ),
        ),
        (
            "tests/integration/store/test_concurrency.py::test_new_customers_that_claim_addresses_crosswise_meet_no_deadlock",
        ),
    ),
    "the owner's check in settle": Mutation(
        (Edit("cogento/queue/lua/settle.lua", r"owners\[i\] == ARGV\[2\] and SETTLED or LOST", "SETTLED"),),
        (
            "tests/unit/queue/test_claim.py::test_a_late_settlement_changes_nothing_and_says_so",
            "tests/faults/test_worker_faults.py::test_f9_a_worker_frozen_before_it_settles_can_settle_nothing_when_it_wakes",
        ),
    ),
    "settling by id": Mutation(
        (
            Edit(
                "cogento/queue/lua/settle.lua",
                r"redis\.call\('ZREM', mail_of\(customer\), id\) == 1",
                "#redis.call('ZPOPMIN', mail_of(customer)) > 0",
            ),
        ),
        ("tests/unit/queue/test_settle.py::test_older_events_that_came_during_the_turn_stay_at_the_head",),
    ),
    "the lock of numbering changes": Mutation(
        (
            Edit(
                "schema/migrations/versions/0015_changes.sql",
                r"PERFORM pg_advisory_xact_lock\(\n.*\n    \);",
            ),
        ),
        (
            "tests/integration/store/test_changes.py::test_between_its_number_and_the_end_of_its_commit_a_transaction_is_alone",
        ),
    ),
}


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("guard", MUTATIONS)
def test_without_the_guard_tests_fail(guard: str, tmp_path: Path) -> None:
    mutation = MUTATIONS[guard]
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
    for edit in mutation.edits:
        make(edit, copy)

    failed = failing(mutation.tests, copy)

    print(f"\nwithout {guard}:", *failed, sep="\n  ")  # noqa: T201 - the table that this check is for
    assert failed == list(mutation.tests)


def make(edit: Edit, copy: Path) -> None:
    """Make an edit; a guard that is not there any more is a mistake of this table."""
    file = copy / edit.file
    mutated, matches = re.subn(edit.pattern, edit.replacement, file.read_text())
    assert matches == 1, f"{edit.pattern} is found {matches} times in {edit.file}"
    file.write_text(mutated)


def failing(tests: tuple[str, ...], copy: Path) -> list[str]:
    """Run tests in the copy and return those of which at least one case fails."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rf", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr  # 1: all were run, and some failed
    return [test for test in tests if f"FAILED {test}" in run.stdout]
