"""An embedded Valkey (or another Redis): durable to the last write, reachable on 127.0.0.1 only."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis

from cogento.local import private, programs
from cogento.local.home import entered
from cogento.local.ports import LOCALHOST
from cogento.local.process import Command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cogento.local.accounts import Account
    from cogento.local.home import Home

PASSWORD = "password"  # noqa: S105 - the name of a file
# `always` is affordable: concurrent webhooks share one pipeline and so one fsync.
SETTINGS: Mapping[str, str] = {
    "bind": LOCALHOST,
    "protected-mode": "yes",
    "daemonize": "no",
    "appendonly": "yes",
    "appendfsync": "always",
    "save": '""',  # the append-only file is the data; snapshots would only fork
    "maxmemory-policy": "noeviction",
    "loglevel": "notice",
    "crash-log-enabled": "no",  # it would tell of the command that was under way, and so of mail
}


@dataclass(slots=True, kw_only=True)
class Valkey:
    """A Valkey of this machine in `home`.

    A `throwaway` one, for tests, has no password; otherwise one is made and kept in `home`.
    """

    home: Path
    port: int
    log: Path
    program: Path | None = None  # None: the wheel's
    settings: Mapping[str, str] | None = None  # besides SETTINGS
    throwaway: bool = False
    name: str = "valkey"

    @property
    def url(self) -> str:
        """Where clients connect to."""
        password = "" if self.throwaway else f":{self._kept_password()}@"
        return f"redis://{password}{LOCALHOST}:{self.port}/0"

    def prepare(self) -> Command:
        """Make the data folder, take its lock and return the command to start."""
        program = programs.redis_program(self.program)
        with entered(self.home, what="Valkey", port=self.port) as home:
            program = programs.reachable(program, account=home.account)
            return Command(
                argv=(str(program), str(home.inside / self._write_configuration(home).name)),
                log=self.log,
                account=home.account,
                inherited=tuple(home.inherited),
            )

    def answers(self) -> bool:
        """Say whether it has loaded its data and takes commands."""
        try:
            with redis.Redis.from_url(
                self.url, socket_timeout=2, socket_connect_timeout=2, retry=None
            ) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _write_configuration(self, home: Home) -> Path:
        """Write the settings to a file that only the server's account reads: arguments show in `ps`."""
        chosen = {**SETTINGS, "port": str(self.port), "dir": f'"{home.inside}"', **(self.settings or {})}
        if not self.throwaway:
            chosen["requirepass"] = self._keep_password(home.account)
        text = "".join(f"{name} {value}\n" for name, value in chosen.items())
        return private.write(self.home / "valkey.conf", text, home.account)

    def _keep_password(self, account: Account | None) -> str:
        if not self._kept_password():
            private.write(self.home / PASSWORD, secrets.token_urlsafe(24), account)
        return self._kept_password()

    def _kept_password(self) -> str:
        return (private.read(self.home / PASSWORD) or "").strip()
