"""A receiver with a server of its own, to which faults can be done."""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support import servers
from tests.support.forked_process import start_process
from tests.support.proxy import Proxy
from tests.support.running_receiver import FASTPATH, RunningReceiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cogento.local.valkey import Valkey
    from tests.support.forked_process import Launch

    Valkeys = servers.RunningServer[Valkey]
    Start = Callable[..., RunningReceiver]


@pytest.fixture(scope="module")
def own_home() -> Iterator[Path]:
    home = servers.make_home()
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def own_valkey(own_home: Path) -> Iterator[Valkeys]:
    """A Valkey that no other module uses; it loads its data slowly."""
    settings = {"key-load-delay": "500", "loading-process-events-interval-bytes": "1024"}
    server = servers.start_valkey(own_home, settings={**servers.QUICK_VALKEY, **settings})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def proxy(own_valkey: Valkeys) -> Iterator[Proxy]:
    """The wire between the receivers of this module and their Valkey."""
    with Proxy(own_valkey.url) as between:
        yield between


@pytest.fixture(scope="module")
def start(own_home: Path, own_valkey: Valkeys) -> Iterator[Start]:
    """Start receivers that end with the module."""
    numbers = itertools.count(1)
    started: list[RunningReceiver] = []

    def start_one(redis_url: str, launch: Launch = start_process, /, **environment: str) -> RunningReceiver:
        log = own_home / f"receiver-{next(numbers)}.log"
        receiver = RunningReceiver(redis_url, log, FASTPATH, launch, seen_at=own_valkey.url, **environment)
        started.append(receiver)
        receiver.await_answer()
        return receiver

    yield start_one
    for receiver in started:
        receiver.process.ask_to_stop()
    for receiver in started:
        receiver.stop()
