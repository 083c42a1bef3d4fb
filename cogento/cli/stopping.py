"""Being asked to stop in the middle of many small steps: the step under way is finished first.

Asked a second time, the process ends where it is.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType

ASKING = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """While entered, Ctrl-C and SIGTERM are noted; to be entered in the main thread."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in ASKING}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def is_asked(self) -> bool:
        """Whether to begin no further step."""
        return self._asked.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until somebody asks."""
        self._asked.wait(seconds)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._asked.set()
        signal.signal(number, self._before[signal.Signals(number)])
