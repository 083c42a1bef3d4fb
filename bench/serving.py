"""An application on the receiver's server, in a process of its own."""

from __future__ import annotations

import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from bench.ground import cpu_seconds, running
from cogento.local.ports import LOCALHOST, free_port, is_free
from cogento.local.services import ROOT
from tests.support.builders import SECRET
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.ground import Ground
    from cogento.local.process import Process

RECEIVER, FLASK, BARE = "receiver.asgi:app", "bench.noop:flask", "bench.noop:bare"
VIEW = "receiver.app:create_app()"
AS_IN_PRODUCTION = ("--config", "receiver/gunicorn_conf.py")
OPTIONS = {VIEW: ("--threads", "8")}
"""gunicorn's arguments for the application that is not served as in production."""
START_SECONDS = 30
STOP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Served:
    """Where it is, and its first process."""

    port: int
    process: Process

    def cpu_seconds(self) -> float:
        """CPU time of all its processes so far."""
        return cpu_seconds(self.process.pid)


@contextmanager
def served(app: str, servers: Ground, **settings: str) -> Iterator[Served]:
    """Serve RECEIVER, FLASK or BARE with gunicorn_conf.py as in production, or VIEW under threads; with `redis_fsync`.

    `settings` are further environment variables, or others in place of these.
    """
    port = free_port()
    gunicorn = (sys.executable, "-m", "gunicorn", *OPTIONS.get(app, AS_IN_PRODUCTION))
    environment = {
        "REDIS_URL": servers.valkey.url,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "ACK_DURABILITY": "redis_fsync",
        "LOG_LEVEL": "WARNING",
        **settings,
    }
    with running((*gunicorn, "--bind", f"{LOCALHOST}:{port}", app), folder=ROOT, **environment) as process:
        wait_until(lambda: not is_free(port), what=f"{app} to listen", seconds=START_SECONDS)
        yield Served(port, process)
        process.stop(within_seconds=STOP_SECONDS)


@contextmanager
def console(servers: Ground, database_url: str) -> Iterator[Served]:
    """Run the console for this machine alone, and wait until it has answered."""
    port = free_port()
    argv = (sys.executable, "-m", "cogento", "console", "--local")
    stores = {"DATABASE_URL": database_url, "REDIS_URL": servers.valkey.url}
    with running(argv, folder=ROOT, PORT=str(port), **stores) as process:
        wait_until(lambda: not is_free(port), what="the console to listen", seconds=START_SECONDS)
        answer_of(port, "/healthz")
        yield Served(port, process)


def answer_of(port: int, path: str) -> bytes:
    """Ask for a page, however long it takes, and return what is answered."""
    connection = HTTPConnection(LOCALHOST, port, timeout=START_SECONDS)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == HTTPStatus.OK, (path, answer.status)
        return answer.read()
