"""A worker that runs out of memory ends at once, and whatever supervises it starts it anew.

What such a process can still do is not to be relied on: its connections are cut in the middle of an answer, which
looks as if Postgres were away, and then it would stop the other workers, too. Its claims count as a crash.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import structlog

if TYPE_CHECKING:
    import asyncio

log = structlog.get_logger()


def end() -> NoReturn:
    """End this process with EX_OSERR (71, sysexits.h), finishing nothing."""
    with suppress(MemoryError):
        log.critical("out_of_memory")
    os._exit(os.EX_OSERR)


def end_if_short(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Handle what nobody awaits on an event loop: a shortage there ends the process, the rest is logged as ever."""
    if isinstance(context.get("exception"), MemoryError):
        end()
    loop.default_exception_handler(context)
