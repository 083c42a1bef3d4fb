"""The console's web process: gunicorn with threads, around the application put together from the settings.

Behind a password it listens to everyone; in local mode, without one, to this machine alone, and only for
requests that name this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication

import bridge
import reporting
from console.desk import Desk
from console.opening import CONNECTIONS, connect
from console.watching import Watching
from console.web import sessions
from console.web.app import create_app
from console.web.login import Door
from outlet import never_block
from schema.store import Store

if TYPE_CHECKING:
    from flask import Flask

    from console.passwords import PasswordHash
    from settings import ConsoleSettings

LOOPBACK = "127.0.0.1"
OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Exposure:
    """Who may look: whoever knows `password`, or without one whoever sits at this machine."""

    port: int
    password: PasswordHash | None

    @property
    def address(self) -> str:
        """What gunicorn binds to."""
        return f"{'0.0.0.0' if self.password else LOOPBACK}:{self.port}"  # noqa: S104 - behind a password


class Server(BaseApplication):  # type: ignore[misc] # gunicorn carries no types
    """gunicorn, configured here: one process, because its memory is the picture, and eight threads."""

    def __init__(self, settings: ConsoleSettings, exposure: Exposure) -> None:
        self._settings = settings
        self._exposure = exposure
        never_block()  # before gunicorn's logger asks for standard error
        super().__init__()

    def load_config(self) -> None:
        """Set what gunicorn is to do."""
        options: dict[str, Any] = {
            "bind": self._exposure.address,
            "worker_class": "gthread",
            "workers": 1,
            "threads": 8,
            "keepalive": 5,
            "timeout": 30,
            "graceful_timeout": 5,
            "limit_request_line": 2048,
            "limit_request_fields": 50,
            "forwarded_allow_ips": "",
            "loglevel": "warning",
            "proc_name": "cogento-console",
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Put the application together, in the process that will serve it."""
        return compose(self._settings, self._exposure)


def compose(settings: ConsoleSettings, exposure: Exposure) -> Flask:
    """Open both servers, begin to watch them, and make the application."""
    dsn = settings.sentry_dsn.get_secret_value() if settings.sentry_dsn else None
    reporting.configure("console", level=settings.log_level, sentry_dsn=dsn)
    store = bridge.run(
        Store.open(
            settings.database_url.get_secret_value(),
            pool_size=CONNECTIONS + 2,
            application_name="cogento console",
        )
    )
    mailboxes = connect(settings)
    watching = Watching(mailboxes, store)
    watching.start()
    names = OWN_NAMES | settings.host_names if exposure.password else OWN_NAMES
    token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
    return create_app(
        watching, Desk(mailboxes, store), hosts=names, door=_door(settings, exposure), metrics_token=token
    )


def _door(settings: ConsoleSettings, exposure: Exposure) -> Door | None:
    if exposure.password is None:
        return None
    client = sessions.connect(settings.redis_url.get_secret_value())
    return Door(exposure.password, sessions.Sessions(client), sessions.Tries(client))
