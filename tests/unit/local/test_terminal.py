from __future__ import annotations

import io

import pytest

from cogento.local.terminal import ERASE_LINE, Terminal


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
