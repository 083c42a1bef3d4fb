"""A real console process, seen through a real Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from cogento import runtime
from cogento.events.event import read_event
from cogento.events.outcomes import Source
from cogento.local.ports import free_port
from cogento.store.store import Delivery, Store
from tests.support import builders
from tests.support.servers import wait_until

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
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

Happened = Callable[..., None]


@dataclass(slots=True)
class Console:
    """A console process that can be stopped and started again on its port."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/console"

    def start(self) -> None:
        command = (sys.executable, "-m", "cogento", "console", "--port", str(self.port), *self.arguments)
        self.process = subprocess.Popen(command, env=os.environ | self.environment, stdin=subprocess.DEVNULL)
        wait_until(self._answers, what="the console to answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # gunicorn's quick end: open pages are not waited for
            self.process.wait(timeout=15)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://localhost:{self.port}/healthz", timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            return False


@pytest.fixture(scope="module")
def chromium(migrated_template: str) -> Iterator[Browser]:
    """A browser for one module: while Playwright runs, this thread has a loop, which migrations refuse."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None and os.environ.get("CI") != "true":
        pytest.skip("no Chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A new window; anything that the browser complains of fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    yield opened
    context.close()
    assert [text for text in complaints if "ERR_CONNECTION" not in text] == []


@pytest.fixture
def make_console(database_url: str, redis_url: str) -> Iterator[Callable[..., Console]]:
    made: list[Console] = []

    def make(*arguments: str, **environment: str) -> Console:
        urls = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        console = Console(arguments, urls | environment)
        made.append(console)
        console.start()
        return console

    yield make
    for console in made:
        console.stop()


@pytest.fixture
def console(make_console: Callable[..., Console]) -> Console:
    """A console for this machine alone."""
    return make_console("--local")


@pytest.fixture
def applied(database_url: str) -> Iterator[Happened]:
    """Apply an event as a worker would."""
    store = runtime.run(Store.open(database_url, pool_size=1, application_name="test"))

    def apply(type_: str, object_: dict[str, Any], **fields: Any) -> None:
        event = read_event(builders.event_body(type_, object_, **fields))
        runtime.run(
            store.apply([Delivery(event, received_ms=builders.NOW * 1000, attempts=0, source=Source.WEBHOOK)])
        )

    yield apply
    runtime.run(store.close())
