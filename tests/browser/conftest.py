"""Real console processes, seen through a real Chromium; most tests share one, over tables that are emptied before each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from cogento.console.passwords import hash_password
from cogento.local.ports import free_port
from cogento.local.valkey import Valkey
from cogento.store.store import Store
from tests.support.databases import Administration, empty_tables
from tests.support.servers import RunningServer, processes_under, wait_until
from tests.support.stores import Happened, apply_through, lend_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# The shell needs a third of what a browser with windows needs, and draws the same.
CHROMIUMS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

PASSWORD = "correct horse battery"
VIEWERS_PASSWORD = "staple correct horse"


@dataclass(slots=True)
class Console:
    """A console process that can be stopped and started again on its port; its output goes to `log`, if there is one."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    log: Path | None = None
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/console"

    def start(self) -> None:
        command = (sys.executable, "-m", "cogento", "console", "--port", str(self.port), *self.arguments)
        with nullcontext() if self.log is None else self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log and subprocess.STDOUT,
            )
        wait_until(self._answers, what="the console to answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=15)

    def kill(self) -> None:
        """End it and its worker as a crash does."""
        assert self.process is not None
        for pid in reversed(processes_under(self.process.pid)):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://localhost:{self.port}/healthz", timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            return False


@pytest.fixture(scope="session")
def shared_database(administration: Administration, migrated_template: str) -> Iterator[str]:
    yield from administration.lend(template=migrated_template)


@pytest.fixture
def database_url(shared_database: str) -> str:
    """The URL of the database of all these tests, whose tables are empty."""
    empty_tables(shared_database)
    return shared_database


@pytest.fixture(scope="package")
def shared_console(
    shared_database: str, valkey_server: RunningServer[Valkey]
) -> Iterator[Callable[..., Console]]:
    """Start a console that all tests with the same options share; it remembers what the tests before did.

    It ends with this folder: what it keeps in Redis would surprise tests elsewhere.
    """
    shared: dict[tuple[Any, ...], Console] = {}

    def share(*arguments: str, **environment: str) -> Console:
        key = (arguments, *sorted(environment.items()))
        if key not in shared:
            urls = {"DATABASE_URL": shared_database, "REDIS_URL": valkey_server.url}
            shared[key] = Console(arguments, urls | environment)
            shared[key].start()
        return shared[key]

    yield share
    for console in shared.values():
        console.stop()


@pytest.fixture(scope="package")
def chromium(migrated_template: str) -> Iterator[Browser]:
    """A browser for this folder alone: while Playwright runs, this thread has a loop, which migrations refuse."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None and os.environ.get("CI") != "true":
        pytest.skip("no Chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def profile(chromium: Browser) -> BrowserContext:
    """The browser profile that all ordinary windows share; a new one for each costs as much as a test."""
    return chromium.new_context(viewport={"width": 1280, "height": 900})


@pytest.fixture
def page(profile: BrowserContext) -> Iterator[Page]:
    """A new window, logged in nowhere; anything that the browser complains of fails the test."""
    profile.clear_cookies()
    opened = profile.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    yield opened
    opened.close()
    assert [text for text in complaints if "ERR_CONNECTION" not in text] == []


@pytest.fixture
def start_console(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Callable[..., Console]]:
    """Start a console that remembers nothing, and that the test may stop, for this machine alone; with these settings."""
    started: list[Console] = []

    def start(**environment: str) -> Console:
        urls = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        console = Console(("--local",), urls | environment, tmp_path / "console.log")
        started.append(console)
        console.start()
        return console

    yield start
    for console in started:
        console.stop()
        sys.stderr.write(console.log.read_text() if console.log else "")


@pytest.fixture
def own_console(start_console: Callable[..., Console]) -> Console:
    """A console of the test's own, with default settings."""
    return start_console()


@pytest.fixture
def console(shared_console: Callable[..., Console], database_url: str, redis_url: str) -> Console:
    """A console for this machine alone."""
    return shared_console("--local")


@pytest.fixture(scope="session")
def hashes() -> dict[str, str]:
    return {
        "CONSOLE_PASSWORD_HASH": str(hash_password(PASSWORD)),
        "CONSOLE_READ_ONLY_PASSWORD_HASH": str(hash_password(VIEWERS_PASSWORD)),
    }


@pytest.fixture
def guarded(
    shared_console: Callable[..., Console], hashes: dict[str, str], database_url: str, redis_url: str
) -> Console:
    """A console with both passwords, behind a proxy."""
    return shared_console(**hashes, TRUSTED_PROXIES="127.0.0.1")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """The tables as a console reaches them."""
    yield from lend_store(database_url, name="cogento console")


@pytest.fixture
def applied(store: Store) -> Happened:
    """Apply an event as a worker would."""
    return apply_through(store)


def pixels_too_wide(page: Page, width: int) -> int:
    """Show the page in a window of this width, and return how much of it does not fit."""
    page.set_viewport_size({"width": width, "height": 800})
    return max(0, int(page.evaluate("document.documentElement.scrollWidth")) - width)
