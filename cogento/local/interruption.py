"""Being asked to stop: by Ctrl-C, by SIGTERM, by a terminal that closes; and once more for impatience."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """While entered, the first request to stop raises KeyboardInterrupt wherever the main thread is.

    Later ones call `hurry`, and so does the first one once `finishing` was called.
    """

    def __init__(self, hurry: Callable[[], None]) -> None:
        self._hurry = hurry
        self._is_finishing = False

    def __enter__(self) -> Self:
        for number in ASKING:
            if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN):  # nohup
                signal.signal(number, self._be_asked)
        return self

    def __exit__(self, *_: object) -> None:
        for number in ASKING:
            signal.signal(number, signal.SIG_IGN)  # all that is left is to end

    def finishing(self) -> None:
        """Say that stopping has begun."""
        self._is_finishing = True

    def _be_asked(self, _number: int, _frame: object) -> None:
        if self._is_finishing:
            self._hurry()
            return
        self._is_finishing = True
        raise KeyboardInterrupt
