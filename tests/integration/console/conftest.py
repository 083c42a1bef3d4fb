"""A console with its servers: commands run in this process, with events put or applied before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cogento.cli.main import main
from cogento.events.envelope import parse_envelope
from cogento.queue.durability import AckDurability
from cogento.store.store import Store
from tests.support import builders
from tests.support.looped import LoopedMailboxes
from tests.support.servers import PATIENT_SECONDS
from tests.support.stores import Happened, apply_through, lend_store

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def environment_as_it_was() -> Iterator[None]:
    """A command reads the settings of a local run into its process's environment, odd ones, too."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def run(
    request: pytest.FixtureRequest, console_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run a `cogento` command against the test's servers; a test that fails shows what its commands said."""
    monkeypatch.setenv("DATABASE_URL", console_url)
    monkeypatch.setenv("REDIS_URL", redis_url)

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(main, arguments, prog_name="cogento")
        command = f"$ cogento {' '.join(arguments)}  # ended with {result.exit_code}\n{result.output}"
        # Bytes that are no text, escaped: pytest's workers could not hand the report over with them.
        readable = command.encode(errors="backslashreplace").decode()
        request.node.add_report_section("call", "commands", readable)
        return result

    return invoke


@pytest.fixture
def store(console_url: str) -> Iterator[Store]:
    yield from lend_store(console_url, pool_size=2)


@pytest.fixture
def worker_store(worker_url: str) -> Iterator[Store]:
    yield from lend_store(worker_url)


@pytest.fixture
def mailboxes(redis_url: str) -> Iterator[LoopedMailboxes]:
    connected = LoopedMailboxes.connect(redis_url, ack=AckDurability.REDIS, timeout_seconds=PATIENT_SECONDS)
    yield connected
    connected.close()


@pytest.fixture
def applied(store: Store) -> Happened:
    """Apply an event as a worker would."""
    return apply_through(store)


@pytest.fixture
def waiting(mailboxes: LoopedMailboxes) -> Happened:
    """Put an event as the receiver would."""

    def put(type_: str, object_: dict[str, Any], **fields: Any) -> None:
        body = builders.event_body(type_, object_, **fields)
        mailboxes.put([parse_envelope(body, now=mailboxes.now_ms() // 1000)])

    return put
