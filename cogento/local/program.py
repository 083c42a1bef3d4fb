"""One of our own programs as a service: ready when a URL answers, or when its log says so."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cogento.local.logs import make_room, size
from cogento.local.ports import require_free
from cogento.local.process import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).parents[2]  # where our packages lie: a checkout, or site-packages
ASK_SECONDS = 1.0


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
        self._log_start = size(make_room(self.log))
        return Command(
            argv=self.argv + self.argv_once(),
            log=self.log,
            environment={"PYTHONUNBUFFERED": "1", **self.environment},
            folder=ROOT,
        )

    def answers(self) -> bool:
        """Say whether it does its work."""
        return _answers_ok(self.ready_url) if self.ready_url else self._says_ready()

    def _says_ready(self) -> bool:
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return self.ready_text.encode() in log.read()


def _answers_ok(url: str) -> bool:
    place = urlsplit(url)
    # Not urllib: it would ask a proxy of the environment for our own machine.
    connection = http.client.HTTPConnection(place.netloc, timeout=ASK_SECONDS)
    try:
        connection.request("GET", place.path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
