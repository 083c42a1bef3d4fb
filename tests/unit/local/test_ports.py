"""Ports that one process after another is given, as tests beside each other are."""

from __future__ import annotations

import subprocess
import sys

from cogento.local.ports import BLOCK, free_port

GIVES_PORTS = f"""
from cogento.local.ports import free_port
print(*(free_port() for _ in range({BLOCK})))
input()
"""


def test_two_processes_are_never_given_the_same_port() -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", GIVES_PORTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    theirs = set(map(int, other.stdout.readline().split()))

    ours = {free_port() for _ in range(BLOCK)}
    other.communicate()

    assert not ours & theirs


def test_a_port_is_given_again_only_after_many_others() -> None:
    given = [free_port() for _ in range(BLOCK // 2)]

    assert len(set(given)) == len(given)
