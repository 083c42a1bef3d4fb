"""Failpoints: places where a test can break a process, more exactly than a signal from outside could.

Off unless FAILPOINTS is set: `NAME=ACTION`, several separated by commas. `NAME@3=…` acts at the third hit only,
`NAME~TEXT=…` only where the argument names TEXT (an id). Actions: `kill`, `stop` (until SIGCONT),
`sleep:MILLISECONDS` (this thread), `raise:CLASS`. The variable is read once, at import: a failpoint that is off costs a call of
an empty function.
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
    from collections.abc import Iterator

Failpoint = Callable[..., None]
"""The function called at each failpoint, with a name of NAMES and, where there is one, the object being processed."""

VARIABLE = "FAILPOINTS"
NAMES = frozenset(
    {
        "before_enqueue",  # receiver: verified, and nothing stored yet
        "after_enqueue",  # receiver: stored, and not answered yet
        "after_claim",  # worker: the customers are leased, and no transaction has begun
        "before_tx",  # store: about to begin a batch's transaction
        "in_tx",  # store: rows are written, and the ledger is not
        "before_commit",  # store: everything is written, and COMMIT is next
        "after_commit",  # store: committed, and not yet settled in the mailboxes
        "before_settle",  # worker: about to settle
        "after_settle",  # worker: settled
        "move_begun",  # shard move: the new layout is written down, and no shard knows of it
        "after_leave",  # shard move: mailboxes are leased to the move, and no copy is anywhere
        "after_arrive",  # shard move: mailboxes are in both shards
        "after_left",  # shard move: mailboxes are in the new shard, and nobody works on them yet
    }
)
_INJECTION = re.compile(
    r"(?P<name>\w+)(~(?P<text>[^@=]+))?(@(?P<hit>[1-9]\d*))?=(?P<action>\w+)(:(?P<how>\S+))?"
)


class FailpointError(ValueError):
    """FAILPOINTS cannot be parsed."""


@dataclass(frozen=True, slots=True)
class Injection:
    """The action at a failpoint, and when it happens: at hit 0 always, else at that hit."""

    name: str
    text: str
    hit: int
    act: Callable[[], None]
    hits: Iterator[int]

    def act_if_due(self, about: object) -> None:
        """Act if `about` contains the text and this is the hit."""
        if self.text in repr(about) and self.hit in (0, next(self.hits)):
            self.act()


def arm(wanted: str) -> Failpoint:
    """Return the function that every failpoint calls; raises FailpointError."""
    injections = []
    for part in filter(None, map(str.strip, wanted.split(","))):
        found = _INJECTION.fullmatch(part)
        if found is None:
            raise FailpointError(f"{part!r} is not NAME=ACTION, NAME@HIT=ACTION or NAME~TEXT=ACTION")
        if found["name"] not in NAMES:
            raise FailpointError(
                f"no failpoint is named {found['name']!r}; there are {', '.join(sorted(NAMES))}"
            )
        act = _action(found["action"], found["how"] or "")
        hit = int(found["hit"] or 0)
        injections.append(Injection(found["name"], found["text"] or "", hit, act, itertools.count(1)))

    def act_where_due(name: str, about: object = None) -> None:
        for injection in injections:
            if injection.name == name:
                injection.act_if_due(about)

    return act_where_due if injections else lambda _name, _about=None: None


def _action(name: str, how: str) -> Callable[[], None]:
    match name:
        case "kill" | "stop" if not how:
            number = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[name]
            # Sent to this thread, which then takes no further step; a signal to the process may reach another thread first.
            return lambda: signal.pthread_kill(threading.get_ident(), number)
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


def _raise(kind: type[Exception]) -> NoReturn:
    raise kind(VARIABLE)


armed = os.environ.get(VARIABLE, "")
"""The value of FAILPOINTS; empty in production."""

try:
    failpoint: Failpoint = arm(armed)
except FailpointError as error:
    print(f"cogento: {VARIABLE} is not usable: {error}", file=sys.stderr)  # noqa: T201 - before logging
    raise SystemExit(os.EX_CONFIG) from None
