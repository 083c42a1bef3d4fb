"""Instants at which a test can break a process, where no signal from outside would hit.

Off unless FAILPOINTS is set: `NAME=ACTION`, several with commas. `NAME@3=…` acts at the third time only,
`NAME~TEXT=…` only where the work at hand names TEXT (an id). Actions: `kill`, `stop` (until SIGCONT),
`sleep:MILLISECONDS` (this thread), `raise:CLASS`. The variable is read once, here, so that an instant
costs the call of an empty function while nothing is asked for. Knows nothing of what it stands between.
"""

from __future__ import annotations

import builtins
import itertools
import os
import pkgutil
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Failpoint = Callable[..., None]
"""Called with a name of NAMES and, where there is such, the work at hand."""

VARIABLE = "FAILPOINTS"
NAMES = frozenset(
    {
        "before_enqueue",  # receiver: verified, and nothing stored yet
        "after_enqueue",  # receiver: stored, and not answered yet
        "after_claim",  # worker: the customers are leased, and no transaction has begun
        "before_tx",  # store: about to begin a batch's transaction
        "in_tx",  # store: rows are written, and the ledger is not
        "before_commit",  # store: everything is written, and COMMIT is next
        "after_commit",  # store: committed, and the mailboxes know nothing of it
        "before_settle",  # worker: about to settle
        "after_settle",  # worker: settled
    }
)
_CHARGE = re.compile(
    r"(?P<name>\w+)(~(?P<text>[^@=]+))?(@(?P<turn>[1-9]\d*))?=(?P<action>\w+)(:(?P<how>\S+))?"
)


class FailpointError(ValueError):
    """FAILPOINTS says something that nobody understands."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What is to happen at a name, and when: at turn 0 always, else at that turn."""

    name: str
    text: str
    turn: int
    act: Callable[[], None]
    turns: Iterator[int]

    def pass_by(self, about: object) -> None:
        """Act if this is the work and the turn."""
        if self.text in repr(about) and self.turn in (0, next(self.turns)):
            self.act()


def arm(wanted: str) -> Failpoint:
    """Return what stands at every failpoint; raises FailpointError."""
    charges = [_charge(part.strip()) for part in wanted.split(",") if part.strip()]
    return partial(_pass_by, charges) if charges else _nothing


def _nothing(_name: str, _about: object = None) -> None:
    pass


def _pass_by(charges: Sequence[Charge], name: str, about: object = None) -> None:
    for charge in charges:
        if charge.name == name:
            charge.pass_by(about)


def _charge(part: str) -> Charge:
    found = _CHARGE.fullmatch(part)
    if found is None:
        raise FailpointError(f"{part!r} is not NAME=ACTION, NAME@TURN=ACTION or NAME~TEXT=ACTION")
    if found["name"] not in NAMES:
        raise FailpointError(f"no failpoint is named {found['name']!r}; there are {', '.join(sorted(NAMES))}")
    act = _action(found["action"], found["how"] or "")
    return Charge(found["name"], found["text"] or "", int(found["turn"] or 0), act, itertools.count(1))


def _action(name: str, how: str) -> Callable[[], None]:
    match name:
        case "kill" | "stop" if not how:
            return partial(_signal, {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[name])
        case "sleep" if how.isdecimal():
            return partial(time.sleep, int(how) / 1000)
        case "raise" if (kind := _exception(how)) is not None:
            return partial(_raise, kind)
        case _:
            wanted = f"{name}:{how}" if how else name
            raise FailpointError(
                f"no action is {wanted!r}; kill, stop, sleep:MILLISECONDS and raise:CLASS are"
            )


def _exception(name: str) -> type[Exception] | None:
    """Find an exception of Python's (`KeyError`) or of a module's (`asyncpg.InterfaceError`)."""
    try:
        found = getattr(builtins, name, None) or pkgutil.resolve_name(name)
    except (ValueError, ImportError, AttributeError):
        return None
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _signal(number: signal.Signals) -> None:
    # To this thread, which then takes no further step; a signal to the process may reach another one first.
    signal.pthread_kill(threading.get_ident(), number)


def _raise(kind: type[Exception]) -> NoReturn:
    raise kind(VARIABLE)


def _of_this_process() -> Failpoint:
    try:
        return arm(armed)
    except FailpointError as error:
        print(f"cogento: {VARIABLE} is not usable: {error}", file=sys.stderr)  # noqa: T201 - before logging
        raise SystemExit(os.EX_CONFIG) from None


armed = os.environ.get(VARIABLE, "")
"""What this process was asked to break on, word for word; empty in production."""

failpoint: Failpoint = _of_this_process()
