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

from cogento.accounts import (
    DEFAULT_ACCOUNT,
    console_prefix,
    default_schema,
    own_variable,
    webhook_path,
)
from cogento.database_schema import split_schema, with_schema
from cogento.local.ports import LOCALHOST, require_free
from cogento.local.process import Command, log_size, rotate
from cogento.local.stripe.accounts import account_key, control_prefix
from cogento.local.stripe.events import Payloads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cogento.local.accounts import LocalAccount
    from cogento.local.data_folder import DataFolder
    from cogento.local.fill import AccountFill

CONSOLE_PATH = "/console"
SIMULATED_KEY = "sk_test_simulated"  # what the simulated Stripe's API takes; no secret
GRACE_SECONDS = 4  # for requests under way when the receiver stops: everything ends within 10 s
PYTHON_MODULE = (sys.executable, "-m")
ROOT = Path(__file__).parents[2]  # where our packages are: a checkout, or site-packages
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
        """Tell whether it is ready."""
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
    """The simulated Stripe: its accounts, the rate of all their events, how many customers each grows to, and the seed of its history.

    Without a seed it makes one up. Where workers may not ask it, they have no key: what no webhook brings stays unknown.
    """

    port: int
    events_per_second: float
    customers: int
    seed: int | None
    payloads: Payloads = Payloads.SNAPSHOT
    may_be_asked: bool = True
    accounts: tuple[str, ...] = (DEFAULT_ACCOUNT,)

    @property
    def api_url(self) -> str:
        """The URL of its REST API."""
        return f"http://{LOCALHOST}:{self.port}"

    def control_url(self, account: str = DEFAULT_ACCOUNT) -> str:
        """Return the URL where tests read an account's true state and set faults."""
        return self.api_url + control_prefix(account).rstrip("/")

    def settings(self) -> dict[str, str]:
        """Return the settings that name it, and no real account.

        A real account's settings must neither be used for simulated requests nor fence off simulated events.
        """
        settings = {"STRIPE_API_BASE": self.api_url, "STRIPE_POLL_SECONDS": ""}
        for account in self.accounts:
            own = {
                "STRIPE_API_KEY": account_key(SIMULATED_KEY, account) if self.may_be_asked else "",
                "STRIPE_LIVEMODE": "false",
                "STRIPE_ACCOUNT": "",
            }
            settings |= {own_variable(variable, account): value for variable, value in own.items()}
        return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where the tables and the mailboxes are, and what a 2xx promises; `database_url` names the default account's tables.

    Beside a cluster, over which the mailboxes are spread in shards, the wake-ups have a Redis of their own.
    """

    database_url: str
    redis_url: str
    ack_durability: str
    broker_url: str = ""
    mailbox_shards: int | None = None

    def tables_of(self, account: str) -> str:
        """Return the URL that names an account's tables."""
        if account == DEFAULT_ACCOUNT:
            return self.database_url
        return with_schema(split_schema(self.database_url)[0], default_schema(account))

    def placement(self) -> dict[str, str]:
        """Return the settings for the cluster; empty with a single Redis."""
        shards = {} if self.mailbox_shards is None else {"MAILBOX_SHARDS": str(self.mailbox_shards)}
        return shards | ({"BROKER_URL": self.broker_url} if self.broker_url else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSystem:
    """What `cogento run` runs: the processes and their settings; one account, `default`, or several.

    With `poll_seconds` the worker reads Stripe's list of events at that interval; `fill` fills the tables from a real account.
    """

    folder: DataFolder
    servers: Servers
    accounts: tuple[LocalAccount, ...]
    receiver_port: int
    console_port: int
    simulation: StripeSimulation | None
    poll_seconds: int | None = None
    fill: AccountFill | None = None

    @property
    def account_names(self) -> tuple[str, ...]:
        """The accounts by name, the default one first."""
        return tuple(account.name for account in self.accounts)

    def receiver_url(self, account: str = DEFAULT_ACCOUNT) -> str:
        """Return the URL where Stripe sends an account's events."""
        return f"http://{LOCALHOST}:{self.receiver_port}{webhook_path(account)}"

    def console_url(self, account: str = DEFAULT_ACCOUNT) -> str:
        """Return the URL of an account's web pages."""
        return f"http://{LOCALHOST}:{self.console_port}{console_prefix(account)}{CONSOLE_PATH}"

    def environment(self) -> dict[str, str]:
        """Return the settings that all of our processes share."""
        settings = {
            "DATABASE_URL": split_schema(self.servers.database_url)[0],
            "REDIS_URL": self.servers.redis_url,
            "ACK_DURABILITY": self.servers.ack_durability,
            "LOG_LEVEL": "DEBUG" if os.environ.get("LOG_LEVEL") == "DEBUG" else "INFO",
        }
        if len(self.accounts) > 1:
            settings["STRIPE_ACCOUNTS"] = ",".join(self.account_names)
        for account in self.accounts:
            own = {
                "DATABASE_SCHEMA": split_schema(self.servers.tables_of(account.name))[1],
                "STRIPE_WEBHOOK_SECRET": account.webhook_secret,
                "STRIPE_THIN_WEBHOOK_SECRET": account.thin_webhook_secret,
            }
            settings |= {own_variable(variable, account.name): value for variable, value in own.items()}
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
        return self._program("worker", "worker", ready_text="worker_started")

    def console(self) -> Program:
        """The web pages; for this machine only, so without a password."""
        return self._program(
            "console",
            *("cogento", "console", "--local"),
            environment={"PORT": str(self.console_port)},
            ready_url=f"{self.console_url()}/static/console.css",  # its pages show servers that are away, too
            port=self.console_port,
        )

    def stripe(self, simulation: StripeSimulation) -> Program:
        """The simulated Stripe."""
        return self._program(
            "stripe",
            "cogento.local.stripe",
            *("--webhook", self.receiver_url(), "--rate", str(simulation.events_per_second)),
            *("--accounts", ",".join(simulation.accounts)),
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

    The same seed would make the same ids again, and new events would count as duplicates of those stored before.
    """

    def __init__(self, first: int | None) -> None:
        self._next = first

    def __call__(self) -> tuple[str, str]:
        seed = secrets.randbelow(2**31) if self._next is None else self._next
        self._next = None
        return "--seed", str(seed)
