"""A client that sends slowly, too much or nothing holds up nobody at the console: the limits of docs/limits.md."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from cogento.console.web.security import MAX_LOGIN_FORM_BYTES
from cogento.console.web.server import THREADS
from cogento.serving.connection import MAX_CONNECTIONS
from tests.support import servers
from tests.support.forked_process import start_from_nothing
from tests.support.pushing import Push, pushing
from tests.support.running_console import RunningConsole
from tests.support.running_receiver import forget_peak, memory_of
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.local.postgres import Postgres
    from cogento.local.valkey import Valkey

PAGES = ["/healthz", "/metrics", "/console", "/console/live", "/console/static/console.css"]
DATABASE = "console_limits"
TOO_MANY = MAX_CONNECTIONS + 20
MEGABYTE = 1024**2
GET = b"GET /console HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /console/letters/1/retry HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"

PUSHES = {
    "a few half heads": Push(THREADS, GET[:-4]),
    "many half heads": Push(TOO_MANY, GET[:-4]),
    "silent": Push(TOO_MANY, b""),
    "answered and idle": Push(
        TOO_MANY, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", await_answer=True
    ),
    "a few half bodies": Push(THREADS, POST + b"Content-Length: 20\r\n\r\ntoken="),
    "many half bodies": Push(TOO_MANY, POST + b"Content-Length: 20\r\n\r\ntoken="),
    "half chunked bodies": Push(TOO_MANY, POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nt"),
    "long bodies": Push(40, POST + b"Content-Length: 100000000\r\n\r\n", b"a" * 65_536),
    "heads without end": Push(40, GET[:-2], b"X-More: a\r\n" * 5000),
    "requests without end": Push(40, b"", b"GET /n HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5000),
}


@pytest.fixture(scope="module")
def console(
    postgres_server: servers.RunningServer[Postgres],
    valkey_server: servers.RunningServer[Valkey],
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningConsole]:
    """A console whose threads have all been used before any client pushes."""
    log = tmp_path_factory.mktemp("console") / "log"
    with psycopg.connect(postgres_server.description.url_of("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE {migrated_template}")
    url = postgres_server.description.url_of(DATABASE)
    running = RunningConsole(url, valkey_server.url, log, ("--local",), start_from_nothing)
    running.await_answer()
    with pushing(running, Push(2 * THREADS, 20 * GET)):
        ask_for_every_page(running)
    yield running
    running.stop()


def ask_for_every_page(console: RunningConsole) -> float:
    """See that every page is answered, and return how long the slowest took."""
    times = []
    for page in PAGES * 3:
        begun = time.monotonic()
        assert console.get(page).status == 200
        times.append(time.monotonic() - begun)
    return max(times)


@pytest.mark.parametrize("push", PUSHES.values(), ids=PUSHES)
def test_a7_whoever_sends_slowly_or_too_much_holds_up_no_page(console: RunningConsole, push: Push) -> None:
    pid = console.process.pid
    before = memory_of(pid, "VmRSS")
    forget_peak(pid)
    with pushing(console, push):
        slowest = ask_for_every_page(console)
    ask_for_every_page(console)
    wait_until(lambda: memory_of(pid, "VmRSS") < 1.1 * before, what="memory to be given back", seconds=20)
    assert slowest < 3
    assert memory_of(pid, "VmHWM") - before < 32 * MEGABYTE


def test_a7_half_a_head_is_cut(console: RunningConsole) -> None:
    with console.connect() as connection:
        connection.send(GET[:-4])
        assert connection.is_closed()


def test_a7_half_a_body_is_refused_in_the_end(console: RunningConsole) -> None:
    with console.connect() as connection:
        connection.send(POST + b"Content-Length: 20\r\n\r\ntoken=")
        answer = connection.read()
    assert answer
    assert answer.error == (408, "body_too_slow")


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        pytest.param(
            POST + b"Content-Length: %d\r\n\r\n" % (MAX_LOGIN_FORM_BYTES + 1),
            413,
            "body_too_large",
            id="long",
        ),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n", 411, "length_required", id="chunked"),
        pytest.param(b"rubbish\r\n\r\n", 400, "bad_request", id="rubbish"),
    ],
)
def test_a7_what_the_console_does_not_take_is_refused_at_once(
    console: RunningConsole, said: bytes, status: int, code: str
) -> None:
    assert console.ask(said).error == (status, code)


def test_a7_nothing_of_all_that_was_a_mistake_of_ours(console: RunningConsole) -> None:
    assert '"level": "error"' not in console.log.read_text()
    assert "Traceback" not in console.log.read_text()
