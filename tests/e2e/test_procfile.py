"""The Procfile's own commands, started as Heroku starts them, from a signed request to rows."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from cogento.local.ports import free_port
from tests.support import builders
from tests.support.proxy import Proxy
from tests.support.servers import is_alive, processes_under, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
HONCHO = (sys.executable, "-m", "honcho")
STOP_SECONDS = 30  # what Heroku gives a dyno

ADA = builders.customer("cus_ada", email="ada@example.com", name="Ada")
PLAN = builders.subscription("sub_ada", customer="cus_ada", status="active")


class Dynos:
    """The release, then the web and worker processes of the Procfile, in one honcho."""

    def __init__(self, environment: dict[str, str], output: Path) -> None:
        self.output = output
        self._environment = {
            **os.environ,
            **environment,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self.url = f"http://[::1]:{environment['PORT']}"
        subprocess.run(
            (*HONCHO, "run", *self._release()), env=self._environment, cwd=ROOT, check=True, timeout=60
        )
        command = (*HONCHO, "start", "--port", environment["PORT"], "web", "worker")
        with output.open("wb") as written:
            self.process = subprocess.Popen(
                command,
                env=self._environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
            )
        wait_until(self._is_ready, what="the receiver to be ready", seconds=60)

    def post(self, type_: str, object_: builders.Json, *, id_: str) -> int:
        body = builders.event_body(type_, object_, id_=id_, created=int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "Stripe-Signature": builders.signed_header(body, timestamp=int(time.time())),
        }
        request = urllib.request.Request(f"{self.url}/webhooks/stripe", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)

    def sees_metrics_at(self, host: str) -> bool:
        """Tell whether a request of this machine is known as one, at whichever address it comes in."""
        place = f"http://{host}:{self._environment['PORT']}/metrics"
        with urllib.request.urlopen(place, timeout=10) as answer:
            return b"cogento_webhook_requests_total" in answer.read()

    def stop(self) -> list[int]:
        """Ask everything to stop, as a dyno is asked; return what lived on."""
        family = processes_under(self.process.pid)
        self.process.terminate()
        self.process.wait(timeout=STOP_SECONDS)
        return [pid for pid in family if is_alive(pid)]

    def _release(self) -> list[str]:
        lines = (ROOT / "Procfile").read_text().splitlines()
        line = next(line for line in lines if line.startswith("release: "))
        return ["sh", "-c", line.removeprefix("release: ")]  # as Heroku runs it

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False


@pytest.fixture
def dynos(empty_database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Dynos]:
    """With what Heroku's Python buildpack adds for a dyno of 512 MB, and with both servers at IPv6 addresses."""
    with Proxy(empty_database_url, host="::1") as postgres, Proxy(redis_url, host="::1") as valkey:
        started = Dynos(
            {
                "DATABASE_URL": postgres.url,
                "REDIS_URL": valkey.url,
                "ACK_DURABILITY": "redis_fsync",
                "STRIPE_WEBHOOK_SECRET": builders.SECRET,
                "PORT": str(free_port()),
                "WEB_CONCURRENCY": "2",
                "GUNICORN_CMD_ARGS": "--access-logfile -",
            },
            tmp_path / "output",
        )
        yield started
        started.stop()


def test_procfile_turns_signed_events_into_rows_and_stops_in_time(
    dynos: Dynos, empty_database_url: str
) -> None:
    assert dynos.post("customer.subscription.created", PLAN, id_="evt_plan") == 200
    assert dynos.post("customer.created", ADA, id_="evt_ada") == 200

    def rows() -> list[tuple[str, str]]:
        with psycopg.connect(empty_database_url) as connection:
            return connection.execute(
                "SELECT u.email, s.status FROM users u JOIN subscriptions s ON s.user_id = u.user_id"
            ).fetchall()

    wait_until(lambda: rows() == [("ada@example.com", "active")], what="the rows", seconds=30)
    assert [dynos.sees_metrics_at(host) for host in ("127.0.0.1", "[::1]")] == [True, True]
    assert dynos.stop() == []
    said = dynos.output.read_text()
    assert said.count("Booting worker with pid") == 2
    assert "/webhooks/stripe" not in said
