"""Make a picture of each page of the console, light, dark and on a phone: `make screenshots`, or python -m tools.screenshots FOLDER.

It starts everything on this machine with a simulated Stripe, in a folder of its own, and plays an incident: a constraint that
refuses some customers' changes, and two paused customers. A second console asks for a password. Needs Chromium.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import sync_playwright

from cogento.console.passwords import hash_password
from cogento.local.ports import free_port
from cogento.store.connecting import connect_plainly

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import asyncpg
    from playwright.sync_api import Page

CHROMIUMS = (
    "chromium",
    "chromium-headless-shell",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
LOOKS: dict[str, tuple[int, Literal["light", "dark"]]] = {
    "light": (1280, "light"),
    "dark": (1280, "dark"),
    "phone": (390, "light"),
    "phone-dark": (390, "dark"),
}
READY_SECONDS = 120
BUSY_SECONDS = 45
REFUSE = "ALTER TABLE users ADD CONSTRAINT users_refused CHECK (stripe_customer_id !~ '[0-4]$') NOT VALID"
ALLOW = "ALTER TABLE users DROP CONSTRAINT IF EXISTS users_refused"
CUSTOMERS = "SELECT stripe_customer_id FROM users WHERE deleted_at IS NULL ORDER BY synced_at DESC LIMIT 3"
LETTER = "SELECT id, fingerprint FROM dead_letters WHERE status = 'open' ORDER BY id DESC LIMIT 1"


@contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """Run everything, and yield what run.json says."""
    command = (sys.executable, "-m", "cogento", "run", "--data", str(folder), "--rate", "8")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + READY_SECONDS
        while not (folder / "run.json").exists():
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit("cogento run does not come up: try it by itself")
            time.sleep(0.5)
        yield json.loads((folder / "run.json").read_text(encoding="utf-8"))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@contextmanager
def console_with_password(folder: Path) -> Iterator[str]:
    """Serve the pages of a run behind a password as well, and yield their URL."""
    port = free_port()
    command = (sys.executable, "-m", "cogento", "console", "--data", str(folder), "--port", str(port))
    environment = os.environ | {"CONSOLE_PASSWORD_HASH": hash_password("for pictures, and nothing else").text}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + READY_SECONDS
        while not answers(f"http://localhost:{port}/console/static/console.css"):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit("cogento console does not come up: try it by itself")
            time.sleep(0.5)
        yield f"http://localhost:{port}/console"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def answers(url: str) -> bool:
    """Tell whether a server answers at this URL."""
    try:
        with urllib.request.urlopen(url):
            return True
    except urllib.error.URLError:
        return False


def ask(database_url: str, *statements: str) -> Sequence[asyncpg.Record]:
    """Run statements and return the rows of the last one."""

    async def work() -> Sequence[asyncpg.Record]:
        connection = await connect_plainly(database_url, application_name="screenshots")
        try:
            answers: list[Sequence[asyncpg.Record]] = [
                await connection.fetch(statement) for statement in statements
            ]
            return answers[-1]
        finally:
            await connection.close()

    return asyncio.run(work())


def play(run: dict[str, str]) -> dict[str, str]:
    """Let some seconds of an incident happen; return the URLs of the pages that show it."""
    environment = os.environ | {"DATABASE_URL": run["database_url"], "REDIS_URL": run["redis_url"]}
    time.sleep(BUSY_SECONDS)
    customers = [row[0] for row in ask(run["database_url"], CUSTOMERS)]
    ask(run["database_url"], REFUSE)

    def command(*words: str) -> None:
        argv = (sys.executable, "-m", "cogento", *words, "--who", "ops-1")
        subprocess.run(argv, env=environment, check=True, stdout=subprocess.DEVNULL)

    for customer in customers[1:]:
        command("pause", customer, "--reason", "INC-7: wrong prices")
    time.sleep(BUSY_SECONDS)
    ask(run["database_url"], ALLOW)
    letters = ask(run["database_url"], LETTER)
    pages = {
        "overview": "",
        "overview-day": "?span=1h",
        "waiting": "/waiting",
        "letters": "/letters",
        "activity": "/activity",
        "system": "/system",
        "customer": f"/customers/{customers[0]}",
        "forget": f"/customers/{customers[0]}/forget",
        "operations": "/operations",
        "not-found": "/nowhere",
    }
    if letters:
        pages["letter"] = f"/letters/{letters[0]['id']}"
        pages["cause"] = f"/letters?fingerprint={letters[0]['fingerprint']}"
        pages["confirm"] = "/letters/retry"
        command(
            "letters", "retry", "--fingerprint", letters[0]["fingerprint"], "--yes", "--why", "INC-7: fixed"
        )
        pages["operation"] = "/operations/1"
    return pages


def take(page: Page, address: str, file: Path, *, press: str | None = None) -> None:
    """Take a picture of a whole page, or of the page that one of its buttons leads to."""
    page.goto(address)
    if press:
        page.get_by_role("button", name=press).click()
    page.screenshot(path=file, full_page=True)


def main() -> None:
    """Take all pictures."""
    if not sys.argv[1:]:
        raise SystemExit("usage: python -m tools.screenshots FOLDER")
    pictures = Path(sys.argv[1])
    pictures.mkdir(parents=True, exist_ok=True)
    browser_path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    with tempfile.TemporaryDirectory() as folder, running(data := Path(folder) / "data") as run:
        pages = {name: run["console_url"] + path for name, path in play(run).items()}
        with console_with_password(data) as pages["login"], sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            for look, (width, scheme) in LOOKS.items():
                context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
                page = context.new_page()
                for name, address in pages.items():
                    take(page, address, pictures / f"{name}-{look}.png")
                take(page, pages["customer"], pictures / f"compare-{look}.png", press="Compare with Stripe")
                context.close()
            browser.close()
    print(f"{len(list(pictures.glob('*.png')))} pictures in {pictures}")


if __name__ == "__main__":
    main()
