"""Which processes `cogento run` starts, and with what environment: our Procfile for one machine."""

from __future__ import annotations

import http.client
import os
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cogento.accounts import WEBHOOK_PATH
from cogento.database_schema import split_schema
from cogento.local.ports import LOCALHOST, require_free
from cogento.local.process import Command, log_size, rotate
from cogento.local.stripe.control import PREFIX
from cogento.local.stripe.events import Payloads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cogento.local.data_folder import DataFolder
    from cogento.local.fill import AccountFill

CONSOLE_PATH = "/console"
SIMULATED_KEY = "sk_test_simulated"  # what the simulated Stripe's API takes; no secret
GRACE_SECONDS = 4  # for requests under way when the receiver stops: everything ends within 10 s
PYTHON_MODULE = (sys.executable, "-m")
ROOT = Path(__file__).parents[2]  # where our packages lie: a checkout, or site-packages
PROBE_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class Program:
    """A program of ours. `argv_once` gives arguments that differ from start to start; `port` is what it listens on.

    It is ready when `ready_url` answers 200, or without one when a line with `ready_text` is logged.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    argv_once: Callable[[], tuple[str, ...]] = tuple
    ready_url: str = ""
    ready_text: str = ""
    port: int | None = None
    _log_start: int = 0

    def prepare(self) -> Command:
        """Note where this start's log begins and return the command; InUseError when its port is another's."""
        if self.port is not None:
            require_free(self.port)
        self._log_start = log_size(rotate(self.log))
        return Command(
            argv=self.argv + self.argv_once(),
            log=self.log,
            environment={"PYTHONUNBUFFERED": "1", **self.environment},
            folder=ROOT,
        )

    def answers(self) -> bool:
        """Say whether it does its work."""
        if not self.ready_url:
            with self.log.open("rb") as log:
                log.seek(self._log_start)
                return self.ready_text.encode() in log.read()
        place = urlsplit(self.ready_url)
        # Not urllib: it would ask a proxy of the environment for our own machine.
        connection = http.client.HTTPConnection(place.netloc, timeout=PROBE_SECONDS)
        try:
            connection.request("GET", place.path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSimulation:
    """The simulated Stripe: its rate of events, how many customers it grows to, and the seed of its history.

    Without a seed it makes one up. If it may not be asked, workers have no key: what no webhook brings stays unknown.
    """

    port: int
    events_per_second: float
    customers: int
    seed: int | None
    payloads: Payloads = Payloads.SNAPSHOT
    may_be_asked: bool = True

    @property
    def api_url(self) -> str:
        """Where its REST API is."""
        return f"http://{LOCALHOST}:{self.port}"

    @property
    def control_url(self) -> str:
        """Where tests ask it for the true state, and for faults."""
        return f"{self.api_url}{PREFIX.rstrip('/')}"

    def settings(self) -> dict[str, str]:
        """Return the settings that name it, and no real account.

        What is set for a real one must not reach it from a made-up one, nor fence the made-up events off.
        """
        return {
            "STRIPE_API_KEY": SIMULATED_KEY if self.may_be_asked else "",
            "STRIPE_API_BASE": self.api_url,
            "STRIPE_LIVEMODE": "false",
            "STRIPE_ACCOUNT": "",
            "STRIPE_POLL_SECONDS": "",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where the tables and the mailboxes are, and what a 2xx promises of the latter.

    The wake-ups have a place of their own beside a cluster, over which the mailboxes are spread in shards.
    """

    database_url: str
    redis_url: str
    ack_durability: str
    broker_url: str = ""
    mailbox_shards: int | None = None

    def placement(self) -> dict[str, str]:
        """Return the settings that say so; none of one Redis."""
        shards = {} if self.mailbox_shards is None else {"MAILBOX_SHARDS": str(self.mailbox_shards)}
        return shards | ({"BROKER_URL": self.broker_url} if self.broker_url else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSystem:
    """What `cogento run` runs: the processes, and everything that they must know.

    With `poll_seconds` the worker reads Stripe's list of events so often; `fill` fills the tables from a real account.
    """

    folder: DataFolder
    servers: Servers
    webhook_secret: str
    thin_webhook_secret: str
    receiver_port: int
    console_port: int
    simulation: StripeSimulation | None
    poll_seconds: int | None = None
    fill: AccountFill | None = None

    @property
    def receiver_url(self) -> str:
        """Where Stripe sends events."""
        return f"http://{LOCALHOST}:{self.receiver_port}{WEBHOOK_PATH}"

    @property
    def console_url(self) -> str:
        """Where the web pages are."""
        return f"http://{LOCALHOST}:{self.console_port}{CONSOLE_PATH}"

    def environment(self) -> dict[str, str]:
        """Return the settings that all of our processes share."""
        database_url, database_schema = split_schema(self.servers.database_url)
        settings = {
            "DATABASE_URL": database_url,
            "DATABASE_SCHEMA": database_schema,
            "REDIS_URL": self.servers.redis_url,
            "ACK_DURABILITY": self.servers.ack_durability,
            "STRIPE_WEBHOOK_SECRET": self.webhook_secret,
            "STRIPE_THIN_WEBHOOK_SECRET": self.thin_webhook_secret,
            "LOG_LEVEL": "DEBUG" if os.environ.get("LOG_LEVEL") == "DEBUG" else "INFO",
        }
        polls = {"STRIPE_POLL_SECONDS": str(self.poll_seconds or "")}
        settings |= self.servers.placement()
        return settings | (self.simulation.settings() if self.simulation else {}) | polls

    def receiver(self) -> Program:
        """The process that takes webhooks."""
        where = f"{LOCALHOST}:{self.receiver_port}"
        return self._program(
            "receiver",
            *("gunicorn", "--config", str(ROOT / "receiver" / "gunicorn_conf.py")),
            *("--bind", where, "--graceful-timeout", str(GRACE_SECONDS), "receiver.asgi:app"),
            environment={"PORT": str(self.receiver_port)},
            ready_url=f"http://{where}/readyz",
            port=self.receiver_port,
        )

    def worker(self) -> Program:
        """The process that applies events."""
        return self._program(
            "worker",
            *("celery", "--app", "worker.app", "worker", "--pool=threads"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"),
            ready_text="worker_started",
        )

    def console(self) -> Program:
        """The web pages; for this machine only, so without a password."""
        return self._program(
            "console",
            *("cogento", "console", "--local"),
            environment={"PORT": str(self.console_port)},
            ready_url=f"{self.console_url}/static/console.css",  # its pages show servers that are away, too
            port=self.console_port,
        )

    def stripe(self, simulation: StripeSimulation) -> Program:
        """The simulated Stripe."""
        return self._program(
            "stripe",
            "cogento.local.stripe",
            *("--webhook", self.receiver_url, "--rate", str(simulation.events_per_second)),
            *("--customers", str(simulation.customers), "--payloads", simulation.payloads),
            *("--port", str(simulation.port), "--api-key", SIMULATED_KEY),
            argv_once=_Seeds(simulation.seed),
            ready_text='"api_url"',
            port=simulation.port,
        )

    def _program(
        self, name: str, *module_and_arguments: str, environment: Mapping[str, str] | None = None, **how: Any
    ) -> Program:
        return Program(
            name=name,
            argv=(*PYTHON_MODULE, *module_and_arguments),
            log=self.folder.log(name),
            environment=self.environment() | dict(environment or {}),
            **how,
        )


class _Seeds:
    """Gives the first start the seed that was asked for, and every later start another.

    The same seed would make the same ids again, and what was stored before would look like duplicates.
    """

    def __init__(self, first: int | None) -> None:
        self._next = first

    def __call__(self) -> tuple[str, str]:
        seed = secrets.randbelow(2**31) if self._next is None else self._next
        self._next = None
        return "--seed", str(seed)
