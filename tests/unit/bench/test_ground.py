"""Processes of a benchmark: started as they are asked for, and gone when it ends."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.ground import running
from tests.support.servers import wait_until

TELL = "import os, sys, time; print(os.environ['WORD'], flush=True); time.sleep(60)"


def test_a_process_runs_in_its_environment_and_is_gone_in_the_end() -> None:
    with running((sys.executable, "-c", TELL), WORD="hello") as process:
        wait_until(lambda: process.last_log_lines() == ["hello"], what="its first line", seconds=30)
        pid = process.pid
    assert not Path(f"/proc/{pid}").exists()
