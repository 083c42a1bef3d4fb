"""A worker that runs out of memory ends at once, and its supervisor starts another.

Such a process is no longer reliable: its connections break in the middle of an answer, which looks as if
Postgres were away, and then it would stop the other workers, too. Its claims count as crashed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import structlog

if TYPE_CHECKING:
    import asyncio

log = structlog.get_logger()


def exit_now() -> NoReturn:
    """End this process with EX_OSERR (71, sysexits.h), finishing nothing."""
    with suppress(MemoryError):
        log.critical("out_of_memory")
    os._exit(os.EX_OSERR)


def exit_if_out_of_memory(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Handle errors that nobody awaits on an event loop: a MemoryError ends the process, others are logged."""
    if isinstance(context.get("exception"), MemoryError):
        exit_now()
    loop.default_exception_handler(context)
