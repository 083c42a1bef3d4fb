from __future__ import annotations

from dataclasses import replace

import pytest

from cogento.console.attention import Seen, judge
from cogento.console.status import Level, StatusReport
from tests.support.figures import letters, queue_figures, table_figures, worker, workforce

QUEUE = queue_figures()
TABLES = table_figures()


def level(seen: Seen) -> Level:
    return StatusReport(judge(seen), None, None).level


def test_everything_applied_is_ok() -> None:
    assert level(Seen(queue=QUEUE, tables=TABLES)) is Level.OK


def test_a_system_that_never_received_anything_is_ok_without_a_worker() -> None:
    new = replace(QUEUE, received_total=0, workforce=workforce())
    assert level(Seen(queue=new, tables=TABLES)) is Level.OK


def test_dead_letters_that_end_nothing_are_a_warning() -> None:
    assert level(Seen(queue=QUEUE, tables=replace(TABLES, letters=(letters(30),)))) is Level.WARNING


def test_a_dead_letter_that_ends_what_a_row_shows_is_critical() -> None:
    tables = replace(TABLES, letters=(letters(30, removals=1),))
    assert level(Seen(queue=QUEUE, tables=tables)) is Level.CRITICAL


@pytest.mark.parametrize(
    "seen",
    [
        Seen(queue=None, tables=TABLES),
        Seen(queue=QUEUE, tables=None),
        Seen(queue=None, tables=None),
        Seen(queue=replace(QUEUE, workforce=workforce(worker(is_alive=False))), tables=TABLES),
        Seen(queue=replace(QUEUE, waits_for={"postgres": "25006"}), tables=TABLES),
        Seen(queue=replace(QUEUE, server=None), tables=TABLES),
    ],
    ids=["redis", "postgres", "both", "no worker", "circuit", "no promise"],
)
def test_what_stops_everything_is_critical(seen: Seen) -> None:
    assert level(seen) is Level.CRITICAL


def test_critical_is_not_hidden_by_dead_letters_that_can_wait() -> None:
    tables = replace(TABLES, letters=(letters(30),))
    assert level(Seen(queue=replace(QUEUE, waits_for={"postgres": "25006"}), tables=tables)) is Level.CRITICAL


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (
            Seen(queue=QUEUE, tables=None, tables_problem="PostgreSQL refuses the password (28P01)."),
            "PostgreSQL cannot be used: PostgreSQL refuses the password (28P01).",
        ),
        (
            Seen(queue=None, tables=TABLES, queue_problem="Redis refuses the user."),
            "Redis cannot be used: Redis refuses the user.",
        ),
        (Seen(queue=QUEUE, tables=None), "PostgreSQL is unreachable."),
        (Seen(queue=None, tables=TABLES), "Redis is unreachable."),
    ],
)
def test_a10_a_server_that_refuses_is_not_told_as_one_that_does_not_answer(seen: Seen, said: str) -> None:
    assert judge(seen).lines[0].text.startswith(said)
