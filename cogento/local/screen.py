"""What a person sees: lines that stay, and one below them that is written over.

Nobody may be looking: a closed or broken output is no reason to stop.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

ERASE_LINE = "\r\x1b[2K"


class Screen:
    """The output of `cogento run`."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out
        self.is_live = out is not None and out.isatty() and os.environ.get("TERM") != "dumb"
        self._showing = ""

    def say(self, line: str) -> None:
        """Write something that stays."""
        self._write(f"{ERASE_LINE if self._showing else ''}{line}\n{self._showing}")

    def say_all(self, lines: Iterable[str]) -> None:
        """Write several lines."""
        self.say("\n".join(lines))

    def show(self, line: str) -> None:
        """Write the line over the last one shown, on a terminal; elsewhere as a line of its own."""
        if not self.is_live:
            self.say(line)
            return
        self._showing = line[: shutil.get_terminal_size().columns - 1]
        self._write(f"{ERASE_LINE}{self._showing}")

    def leave_line(self) -> None:
        """Let the line shown last stand where it is."""
        if self._showing:
            self._showing = ""
            self._write("\n")

    def _write(self, text: str) -> None:
        if self._out is None:
            return
        with contextlib.suppress(OSError, ValueError):  # the reader has gone
            self._out.write(text)
            self._out.flush()


def occupy_standard_streams() -> None:
    """Open what of 0, 1 and 2 is closed, so that no file of ours gets a number that children write to."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def standard_screen() -> Screen:
    """Return the screen that stdout leads to."""
    return Screen(sys.stdout)
