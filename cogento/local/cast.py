"""Which processes `cogento run` starts, and with what environment: our Procfile for one machine."""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cogento.local.ports import LOCALHOST
from cogento.local.program import ROOT, Program
from cogento.local.stripe.control import PREFIX
from cogento.local.stripe.payloads import Payloads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.local.datafolder import DataFolder

WEBHOOK_PATH = "/webhooks/stripe"
CONSOLE_PATH = "/console"
SIMULATED_KEY = "sk_test_simulated"  # what the simulated Stripe's API takes; no secret
GRACE_SECONDS = 4  # for requests under way when the receiver stops: everything ends within 10 s
PYTHON_MODULE = (sys.executable, "-m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The simulated Stripe: how fast it lives, towards how many customers, and which life; without a seed one it makes up.

    Who may not ask it has no key: what its webhooks do not bring stays unknown.
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
        """Where it can be asked for the truth, and told to misbehave."""
        return f"{self.api_url}{PREFIX.rstrip('/')}"

    def account(self) -> dict[str, str]:
        """Return the settings that name it, and no real account.

        What is set for a real one must not reach it from a made-up one, nor fence the made-up events off.
        """
        return {
            "STRIPE_API_KEY": SIMULATED_KEY if self.may_be_asked else "",
            "STRIPE_API_BASE": self.api_url,
            "STRIPE_LIVEMODE": "false",
            "STRIPE_ACCOUNT": "",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Where the tables and the mailboxes are, and what a 2xx promises of the latter."""

    database_url: str
    redis_url: str
    ack_durability: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Everything the processes must know."""

    folder: DataFolder
    stores: Stores
    webhook_secret: str
    thin_webhook_secret: str
    receiver_port: int
    console_port: int
    simulation: Simulation | None

    @property
    def receiver_url(self) -> str:
        """Where Stripe sends events."""
        return f"http://{LOCALHOST}:{self.receiver_port}{WEBHOOK_PATH}"

    @property
    def console_url(self) -> str:
        """Where people look."""
        return f"http://{LOCALHOST}:{self.console_port}{CONSOLE_PATH}"

    def environment(self) -> dict[str, str]:
        """Return the settings that all of our processes share."""
        settings = {
            "DATABASE_URL": self.stores.database_url,
            "REDIS_URL": self.stores.redis_url,
            "ACK_DURABILITY": self.stores.ack_durability,
            "STRIPE_WEBHOOK_SECRET": self.webhook_secret,
            "STRIPE_THIN_WEBHOOK_SECRET": self.thin_webhook_secret,
            "LOG_LEVEL": "DEBUG" if os.environ.get("LOG_LEVEL") == "DEBUG" else "INFO",
        }
        return settings | (self.simulation.account() if self.simulation else {})

    def receiver(self) -> Program:
        """Answer webhooks."""
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
        """Apply events."""
        return self._program(
            "worker",
            *("celery", "--app", "worker.app", "worker", "--pool=threads"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"),
            ready_text="worker_started",
        )

    def console(self) -> Program:
        """Show people what goes on; on this machine only, so without a password."""
        return self._program(
            "console",
            *("cogento", "console", "--local"),
            environment={"PORT": str(self.console_port)},
            ready_url=f"{self.console_url}/static/console.css",  # its pages show servers that are away, too
            port=self.console_port,
        )

    def stripe(self, simulation: Simulation) -> Program:
        """Live the life of a Stripe account."""
        return self._program(
            "stripe",
            *(
                "cogento.local.stripe",
                "--webhook",
                self.receiver_url,
                "--rate",
                str(simulation.events_per_second),
            ),
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
    """Gives the first life the asked seed, and every later one another.

    The same seed would make the same ids again, and what was stored of the first life would look like
    this one's duplicates.
    """

    def __init__(self, first: int | None) -> None:
        self._next = first

    def __call__(self) -> tuple[str, str]:
        seed = secrets.randbelow(2**31) if self._next is None else self._next
        self._next = None
        return "--seed", str(seed)
