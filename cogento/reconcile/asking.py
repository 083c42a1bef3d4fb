"""Who asks Stripe for single objects: one process at a time, for all that there is to ask about."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from cogento import runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogento.store.store import Store
    from cogento.store.turns import Turn

TURN = "doubts"


class Inquirer(Protocol):
    """Knows one kind of thing to ask about."""

    def ask(self) -> bool:
        """Ask for some of it; tells whether there may be more."""


class Asking:
    """One process's part: it asks when it has the turn, for as long as it `goes_on`.

    The turn is kept, so that one memory knows what was asked for; it passes on when the process dies or a
    look fails.
    """

    def __init__(self, store: Store, inquirers: Sequence[Inquirer], *, goes_on: Callable[[], bool]) -> None:
        self._store = store
        self._inquirers = inquirers
        self._goes_on = goes_on
        self._turn: Turn | None = None

    def look(self) -> None:
        """Ask for all that there is to ask for now, if it is this process's turn."""
        if self._turn is None:
            self._turn = runtime.run(self._store.take_turn(TURN))
        if self._turn is None:
            return
        try:
            self._ask()
        except Exception:
            self._pass_turn_on(self._turn)
            raise

    def stop(self) -> None:
        """Let another process have the turn."""
        if self._turn is not None:
            self._pass_turn_on(self._turn)

    def _ask(self) -> None:
        """A page of each kind in turn, so that much of one keeps none of another waiting."""
        there_is_more = True
        while there_is_more and self._goes_on():
            answers = [inquirer.ask() for inquirer in self._inquirers]
            there_is_more = any(answers)

    def _pass_turn_on(self, turn: Turn) -> None:
        self._turn = None
        with suppress(Exception):  # its connection may be what failed; then the turn has ended already
            runtime.run(turn.end())
