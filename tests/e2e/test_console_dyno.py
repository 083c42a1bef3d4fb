"""The console as a Heroku app of its own: its Procfile, started by honcho, behind a router that speaks HTTPS for it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import psycopg
import pytest

from cogento.console.passwords import hash_password
from cogento.console.web.login import LOGIN_COOKIE, SESSION_COOKIE
from cogento.console.web.sessions import MAX_LOGIN_ATTEMPTS
from cogento.local.ports import LOCALHOST, free_port
from tests.support.servers import is_alive, processes_under, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROCFILE = "deploy/console/Procfile"
HOST = "my-console-0123456789ab.herokuapp.com"
PASSWORD = "correct horse battery"
STOP_SECONDS = 30  # what Heroku gives a dyno


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    cookies: dict[str, str]
    text: str


@dataclass(frozen=True)
class Router:
    """A router like Heroku's: appends the client's address to the header that the client sent, and says whether the request was encrypted."""

    port: int

    def ask(
        self,
        path: str,
        *,
        client: str = "203.0.113.1",
        scheme: str = "https",
        host: str = HOST,
        said: str = "",
        cookies: dict[str, str] | None = None,
        form: dict[str, str] | None = None,
    ) -> Answer:
        headers = {
            "Host": host,
            "X-Forwarded-For": ", ".join(filter(None, [said, client])),
            "X-Forwarded-Proto": scheme,
            "X-Forwarded-Port": "443",
            "Via": "1.1 heroku-router",
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": "; ".join(f"{name}={value}" for name, value in (cookies or {}).items()),
        }
        body = None if form is None else urlencode(form)
        connection = HTTPConnection(LOCALHOST, self.port, timeout=20)
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        lines = answer.headers.get_all("Set-Cookie") or []
        connection.close()
        return Answer(
            answer.status,
            {name.lower(): value for name, value in answer.headers.items()},
            dict(line.split("=", 1) for line in lines),
            text,
        )

    def log_in(self, password: str = PASSWORD, **how: str) -> Answer:
        form = self.ask("/console/login", **how)  # type: ignore[arg-type]
        token = re.findall(r'name="token" value="([^"]+)"', form.text)[0]
        typed = {"name": "ops-1", "password": password, "token": token}
        return self.ask("/console/login", cookies={LOGIN_COOKIE: token}, form=typed, **how)


@pytest.fixture
def environment(database_url: str, redis_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PORT": str(free_port()),
        "CONSOLE_HOSTS": HOST,
        "CONSOLE_PASSWORD_HASH": str(hash_password(PASSWORD)),
        "TRUSTED_PROXIES": "private",
    }


@pytest.fixture
def dyno(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The web process of the console's Procfile."""
    command = (
        sys.executable,
        "-m",
        "honcho",
        "--procfile",
        PROCFILE,
        "start",
        "--port",
        environment["PORT"],
        "web",
    )
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL)
    yield process
    process.terminate()
    process.wait(timeout=STOP_SECONDS)


@pytest.fixture
def router(dyno: subprocess.Popen[bytes], environment: dict[str, str]) -> Router:
    router = Router(int(environment["PORT"]))

    def answers() -> bool:
        assert dyno.poll() is None
        try:
            return router.ask("/healthz").status == 200
        except OSError:
            return False

    wait_until(answers, what="the console to answer", seconds=60)
    return router


def test_person_logs_in_through_the_router_and_is_kept_by_name(router: Router, database_url: str) -> None:
    answer = router.log_in()
    assert answer.status == 303
    session, *flags = answer.cookies[SESSION_COOKIE].split("; ")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(flags)
    page = router.ask("/console", cookies={SESSION_COOKIE: session})
    assert (page.status, "ops-1 · operator" in page.text) == (200, True)
    with psycopg.connect(database_url) as connection:
        ((who, details),) = connection.execute(
            "SELECT who, details FROM activity WHERE action = 'login'"
        ).fetchall()
    assert who == "ops-1 (console)"
    assert details["address"] == "203.0.113.1"


def test_plain_http_is_sent_to_https_and_other_hosts_are_refused(router: Router) -> None:
    plain = router.ask("/console/letters?fingerprint=f00d", scheme="http")
    assert (plain.status, plain.headers["location"]) == (
        308,
        f"https://{HOST}/console/letters?fingerprint=f00d",
    )
    assert "max-age" in plain.headers["strict-transport-security"]
    assert router.ask("/console", host="evil.example").status == 400
    stranger = router.ask("/console")
    assert (stranger.status, stranger.headers["location"]) == (302, "/console/login")


def test_guesser_behind_the_router_locks_out_nobody_else(router: Router) -> None:
    guesses = [
        router.log_in("wrong wrong wrong", client="203.0.113.9", said=f"198.51.100.{n}").status
        for n in range(MAX_LOGIN_ATTEMPTS + 1)
    ]
    assert guesses == [401] * MAX_LOGIN_ATTEMPTS + [429]
    assert router.log_in(client="203.0.113.2").status == 303


def test_console_dyno_stops_in_time(router: Router, dyno: subprocess.Popen[bytes]) -> None:
    assert router.ask("/healthz").status == 200
    family = processes_under(dyno.pid)
    dyno.terminate()
    dyno.wait(timeout=STOP_SECONDS)
    assert [pid for pid in family if is_alive(pid)] == []


def test_example_of_the_documentation_names_what_is_there() -> None:
    page = (ROOT / "docs" / "console-access.md").read_text()
    assert f"PROCFILE={PROCFILE}" in page
    assert (ROOT / PROCFILE).read_text() == "web: python -m cogento console\n"
    assert json.loads((ROOT / "app.json").read_text())["buildpacks"] == [{"url": "heroku/python"}]
