"""Work of many steps: a progress bar, and a request to stop that lets the step under way finish.

The bar goes to standard error, and only to a terminal.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


STEPS = 1000
"""The number of steps of a bar."""


@contextmanager
def percent_bar() -> Iterator[Callable[[str, float], object]]:
    """Draw a bar; yields a function that shows a text and the share that is done."""
    with click.progressbar(
        length=STEPS, show_eta=True, file=sys.stderr, hidden=not sys.stderr.isatty(), update_min_steps=0
    ) as bar:

        def show(what: str, share: float) -> None:
            bar.label = what
            bar.update(round(share * STEPS) - bar.pos)

        yield show


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """A context in which Ctrl-C and SIGTERM are only noted; enter it in the main thread."""

    def __init__(self) -> None:
        self._requested = threading.Event()

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def is_requested(self) -> bool:
        """Whether to begin no further step."""
        return self._requested.is_set()

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until somebody asks."""
        self._requested.wait(seconds)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._requested.set()
        signal.signal(number, self._before[signal.Signals(number)])
