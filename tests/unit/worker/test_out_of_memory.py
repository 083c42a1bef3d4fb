"""A shortage of memory ends the process; other unhandled errors of an event loop do not."""

from __future__ import annotations

import os
import subprocess
import sys

PROTOCOL_THAT_FAILS = """
import asyncio
from cogento import runtime
from worker import out_of_memory

async def cut() -> None:
    loop = asyncio.get_running_loop()
    loop.call_soon(fail)
    await asyncio.sleep(0.2)

def fail():
    raise {error}

runtime.on_error(out_of_memory.exit_if_out_of_memory)
runtime.run(cut())
"""


def end_of(error: str) -> int:
    """Return the exit code of a process on whose event loop something raises, and nobody awaits it."""
    program = PROTOCOL_THAT_FAILS.format(error=error)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode


def test_a_shortage_that_no_caller_hears_of_ends_the_process() -> None:
    assert end_of("MemoryError") == os.EX_OSERR


def test_another_error_is_only_logged() -> None:
    assert end_of("ValueError") == 0
