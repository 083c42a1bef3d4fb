from __future__ import annotations

import io

import pytest

from cogento.local.terminal import ERASE_LINE, Terminal, describe_run, describe_status
from tests.support.figures import queue_figures, table_figures
from tests.support.local_system import SEVERAL, SYSTEM


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _a_usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")


def test_on_a_terminal_the_line_is_written_over() -> None:
    out = Tty()
    terminal = Terminal(out)

    terminal.show_status("received 1")
    terminal.show_status("received 2")

    assert out.getvalue() == f"{ERASE_LINE}received 1{ERASE_LINE}received 2"


def test_what_is_said_stands_above_the_line() -> None:
    out = Tty()
    terminal = Terminal(out)

    terminal.show_status("received 1")
    terminal.say("worker started again")

    assert out.getvalue().split(ERASE_LINE)[-1] == "worker started again\nreceived 1"


def test_a_line_too_long_for_the_terminal_does_not_wrap() -> None:
    out = Tty()

    Terminal(out).show_status("x" * 100)

    assert out.getvalue() == ERASE_LINE + "x" * 39


def test_elsewhere_each_is_a_line_of_its_own_without_control_characters() -> None:
    out = io.StringIO()
    terminal = Terminal(out)

    terminal.show_status("received 1")
    terminal.say("worker started again")

    assert out.getvalue() == "received 1\nworker started again\n"


def test_a_reader_that_has_gone_is_no_reason_to_fail() -> None:
    out = io.StringIO()
    terminal = Terminal(out)
    out.close()

    terminal.say("anybody there?")


def test_there_need_be_no_output_at_all() -> None:
    Terminal(None).show_status("received 1")


def test_status_adds_up_all_accounts_and_shows_the_longest_lag() -> None:
    queues = [
        queue_figures(received_total=1_000, settled_total=900, waiting=4, oldest_event_age_seconds=None),
        queue_figures(received_total=30, settled_total=20, waiting=1, oldest_event_age_seconds=2.5),
    ]
    tables = [table_figures(outcomes={"applied": 700}), table_figures(outcomes={"applied": 5})]

    assert describe_status(queues, tables) == (
        "received 1,030 · processed 920 (applied 705) · waiting 5 · dead 0 · lag 2.5 s"
    )


def test_events_that_wait_for_their_customer_are_shown_where_there_are_any() -> None:
    queues = [queue_figures(parked=2), queue_figures(parked=1)]

    assert " · waiting for their customer 3 · dead" in describe_status(queues, [table_figures()] * 2)


def test_run_of_one_account_says_where_webhooks_go() -> None:
    assert "  webhooks   http://127.0.0.1:8000/webhooks/stripe\n  console " in describe_run(SYSTEM, {})


def test_run_of_several_accounts_says_of_each_where_its_webhooks_go_and_its_tables_are() -> None:
    said = describe_run(SEVERAL, {}).splitlines()

    assert said[1:4] == [
        "  webhooks   default    http://127.0.0.1:8000/webhooks/stripe, tables in billing",
        "             shop2      http://127.0.0.1:8000/webhooks/stripe/shop2, tables in stripe_shop2",
        "             shop3      http://127.0.0.1:8000/webhooks/stripe/shop3, tables in stripe_shop3",
    ]
