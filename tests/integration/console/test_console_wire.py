"""The console as it is started, over the wire: its answers to each client, whether the server or Flask gives them. B88 and B90."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from cogento.console.passwords import hash_password
from cogento.console.web.security import HEADERS, MAX_LOGIN_FORM_BYTES
from tests.support.canaries import leaks
from tests.support.running_console import RunningConsole
from tests.support.servers import processes_under, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.wire import HttpAnswer

    Start = Callable[..., RunningConsole]

POST = b"POST /console/letters/1/retry HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
AWAY = "postgresql://postgres@127.0.0.1:1/x"
TOKEN = "canary-token-of-metrics"
TYPED = "canary-password-that-was-typed"


@pytest.fixture
def start(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start a console, with options and settings."""
    started: list[RunningConsole] = []

    def start(*options: str, database: str = database_url, **environment: str) -> RunningConsole:
        console = RunningConsole(database, redis_url, tmp_path / "log", options, **environment)
        started.append(console)
        console.await_answer()
        return console

    yield start
    for console in started:
        console.stop()


def get(console: RunningConsole, *headers: str, path: str = "/console") -> HttpAnswer:
    lines = [f"GET {path} HTTP/1.1", f"Host: localhost:{console.port}", *headers]
    return console.ask("\r\n".join([*lines, "", ""]).encode())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_console_is_one_process_that_ends_in_order(start: Start, number: signal.Signals) -> None:
    console = start("--local")
    assert processes_under(console.process.pid) == [console.process.pid]
    os.kill(console.process.pid, number)
    wait_until(lambda: console.process.exit_code() is not None, what="the console to end", seconds=20)
    assert console.process.exit_code() == 0


def test_b85_every_answer_of_the_server_itself_carries_the_headers_too(start: Start) -> None:
    console = start("--local")
    answers = {
        "page": console.get("/console"),
        "redirect": console.get("/"),
        "none": console.get("/nowhere"),
        "file": console.get("/console/static/console.css"),
        "rubbish": console.ask(b"rubbish\r\n\r\n"),
        "long head": console.ask(b"GET /console HTTP/1.1\r\nX-Long: " + b"a" * 9000 + b"\r\n\r\n"),
        "long form": console.ask(POST + b"Content-Length: %d\r\n\r\n" % (MAX_LOGIN_FORM_BYTES + 1)),
        "chunked": console.ask(POST + b"Transfer-Encoding: chunked\r\n\r\n"),
        "two lengths": console.ask(POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
    }
    statuses = {name: answer.status for name, answer in answers.items()}
    assert statuses == {
        "page": 200,
        "redirect": 302,
        "none": 404,
        "file": 200,
        "rubbish": 400,
        "long head": 431,
        "long form": 413,
        "chunked": 411,
        "two lengths": 400,
    }
    expected = {name.lower(): value for name, value in HEADERS.items()}
    assert [name for name, answer in answers.items() if not expected.items() <= answer.headers.items()] == []
    assert [name for name, answer in answers.items() if "server" in answer.headers] == []


def test_header_of_the_trusted_proxy_counts_once_and_by_its_own_name_alone(start: Start) -> None:
    proxy = {"CONSOLE_TRUSTED_HEADER": "X-Forwarded-User", "CONSOLE_TRUSTED_PROXY": "127.0.0.1"}
    console = start(**proxy)
    answers = {
        "right": get(console, "X-Forwarded-User: ada"),
        "none": get(console),
        "underscores": get(console, "X_Forwarded_User: ada"),
        "underscores besides": get(console, "X_Forwarded_User: mallory", "X-Forwarded-User: ada"),
        "twice": get(console, "X-Forwarded-User: mallory", "X-Forwarded-User: ada"),
    }
    assert {name: answer.status for name, answer in answers.items()} == {
        "right": 200,
        "none": 403,
        "underscores": 403,
        "underscores besides": 200,
        "twice": 403,
    }
    assert b"ada \xc2\xb7 operator" in answers["underscores besides"].body
    assert b"mallory" not in answers["underscores besides"].body


def test_header_of_a_trusted_proxy_counts_from_nobody_else(start: Start) -> None:
    console = start(CONSOLE_TRUSTED_HEADER="X-Forwarded-User", CONSOLE_TRUSTED_PROXY="10.255.255.254")
    forged = get(
        console,
        "X-Forwarded-User: mallory",
        "X-Forwarded-For: 10.255.255.254",
        "Forwarded: for=10.255.255.254",
    )
    assert forged.status == 403
    assert b"mallory" not in forged.body
    (line,) = (json.loads(line) for line in console.log.read_text().splitlines() if "untrusted_peer" in line)
    assert (line["process"], line["level"]) == ("console", "warning")


def test_b90_no_answer_and_no_line_of_the_log_says_a_secret(start: Start, database_url: str) -> None:
    hash_ = str(hash_password("canary password of operators"))
    console = start(
        database=database_url.replace("@", ":canary-password@"),
        CONSOLE_PASSWORD_HASH=hash_,
        METRICS_TOKEN=TOKEN,
        LOG_LEVEL="DEBUG",
    )
    form = get(console, path="/console/login")
    cookie = form.headers["set-cookie"].partition(";")[0]
    typed = f"name=ops-1&password={TYPED}&token={cookie.partition('=')[2]}".encode()
    login = b"POST /console/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    answers = [
        form,
        console.ask(
            login + b"Cookie: %b\r\nContent-Length: %d\r\n\r\n%b" % (cookie.encode(), len(typed), typed)
        ),
        console.ask(login + b"Content-Length: %d\r\n\r\n%b" % (len(typed), typed)),
        console.ask(POST + b"Content-Length: 9\r\n\r\ntoken=abc"),
        get(console, f"Authorization: Bearer x{TOKEN}", path="/metrics"),
        get(console, "Host: evil.example"),
        get(console, path="/nowhere"),
        console.ask(b"rubbish\r\n\r\n"),
        console.ask(POST + b"Transfer-Encoding: chunked\r\n\r\n"),
    ]
    assert [answer.status for answer in answers] == [200, 401, 403, 401, 404, 400, 302, 400, 411]
    said = b"".join(answer.body for answer in answers) + console.log.read_bytes()
    secrets = {hash_, TOKEN, TYPED, "canary-password", cookie.partition("=")[2]}
    page, rest = answers[0].body, said.replace(answers[0].body, b"")
    assert set(leaks(page, secrets=secrets, persons=())) == {cookie.partition("=")[2]}  # its own form's token
    assert set(leaks(rest, secrets=secrets - {cookie.partition("=")[2]}, persons=())) == set()
    assert b"Traceback" not in said
    assert urlsplit(database_url).password is None


def test_from_its_start_it_looks_at_both_servers(start: Start) -> None:
    console = start("--local", database=AWAY)
    metrics = console.get("/metrics").body
    assert b'cogento_up{dependency="redis"} 1.0' in metrics
    assert b'cogento_up{dependency="postgres"} 0.0' in metrics
