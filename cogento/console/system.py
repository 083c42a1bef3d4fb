"""Facts about the console's servers, the key to Stripe and the settings: read now, each by itself, without secrets."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from pydantic import SecretStr

from cogento import VERSION, runtime
from cogento.console.errors import Failure, friendly_errors
from cogento.settings.environment import variable_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.queue.checks import ServerFacts
    from cogento.queue.mailboxes import Mailboxes
    from cogento.queue.rate_limiter import CurrentRate, RateLimiter
    from cogento.settings import ConsoleSettings
    from cogento.store.history import PostgresFacts
    from cogento.store.store import Store

ANSWER_SECONDS = 2


@dataclass(frozen=True, slots=True)
class RedisAnswer:
    """What Redis is, how long a write took, and the rate limit for requests to Stripe; or why nothing is known."""

    facts: ServerFacts | None = None
    rate: CurrentRate | None = None
    answer_seconds: float | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class PostgresAnswer:
    """What Postgres is, how long it took to answer, and which migration it is at; or why nothing is known."""

    facts: PostgresFacts | None = None
    revision: str | None = None
    answer_seconds: float | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of this process, in a form that may be shown."""

    variable: str
    value: str


@dataclass(frozen=True, slots=True)
class Release:
    """What runs here: this program's version, the migration that it expects, and Python's."""

    version: str
    revision: str
    python: str


class SystemService:
    """Asks each server by itself, so that one that is away does not hide the other's facts."""

    def __init__(
        self, settings: ConsoleSettings, mailboxes: Mailboxes, store: Store, limiter: RateLimiter
    ) -> None:
        self._settings = settings
        self._mailboxes = mailboxes
        self._store = store
        self._limiter = limiter
        self.release = Release(VERSION, newest_revision(), platform.python_version())

    def redis(self) -> RedisAnswer:
        """Write to Redis, as a put would, and read its facts."""
        begun = time.perf_counter()
        try:
            with friendly_errors():
                facts = runtime.run(self._mailboxes.ping_write())
                took = time.perf_counter() - begun
                return RedisAnswer(facts, runtime.run(self._limiter.current_rate()), took)
        except Failure as failure:
            return RedisAnswer(problem=failure.message)

    def postgres(self) -> PostgresAnswer:
        """Read Postgres's facts."""
        begun = time.perf_counter()
        try:
            with friendly_errors():
                facts = runtime.run(self._store.history.server(), timeout_seconds=ANSWER_SECONDS)
                took = time.perf_counter() - begun
                revision = runtime.run(self._store.history.revision(), timeout_seconds=ANSWER_SECONDS)
                return PostgresAnswer(facts, revision, took)
        except Failure as failure:
            return PostgresAnswer(problem=failure.message)

    def settings(self) -> Sequence[Setting]:
        """List this process's settings; of a secret only whether it is set."""
        return [
            Setting(variable_of(name, self._settings.cogento_account), _shown(getattr(self._settings, name)))
            for name in type(self._settings).model_fields
        ]


def newest_revision() -> str:
    """Return the newest migration of this release, by the files' names."""
    files = resources.files("schema").joinpath("migrations/versions").iterdir()
    return max(file.name[:4] for file in files if file.name[:4].isdecimal())


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "set, and not shown"
    if isinstance(value, tuple | frozenset):
        return ", ".join(map(str, value)) or "none"
    if value is None or value == "":
        return "not set"
    return str(value).lower() if isinstance(value, bool) else str(value)
