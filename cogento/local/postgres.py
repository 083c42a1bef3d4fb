"""An embedded PostgreSQL: made on first use, kept between runs, reachable on 127.0.0.1 only.

It listens on TCP alone: no socket file can be left behind or have too long a path.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from cogento import runtime
from cogento.local import private, programs
from cogento.local.accounts import run
from cogento.local.errors import StartError
from cogento.local.home import entered
from cogento.local.ports import LOCALHOST
from cogento.local.process import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.local.home import Home

USER = "postgres"  # what tools that share the server expect its superuser to be called
DATA = "data"
UNFINISHED = "unfinished"
PASSWORD = "password"  # noqa: S105 - the name of a file
# Durable as Postgres is by default; the rest keeps a small machine quiet and leaves bulk loads room.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOCALHOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "minimal",  # nothing replicates from here
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # No personal data in the log: what a statement failed of quotes values, and whoever sent it is told anyway.
    "log_min_messages": "log",  # the server's own life and death, and no failed statements
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",  # DETAIL and CONTEXT quote rows and statements
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "jit": "off",  # no query here is long enough to win back its compilation
}
UNICODE_COLLATION_SINCE = 17
CONNECT_SECONDS = 2.0


@dataclass(slots=True, kw_only=True)
class Postgres:
    """A PostgreSQL of this machine in `home`, with one database.

    A `throwaway` one, for tests, has no password and is made without syncing; otherwise a password is
    made and kept in `home`.
    """

    home: Path
    port: int
    log: Path
    database: str = "cogento"
    folder: Path | None = None  # with initdb and postgres; None: the wheel's
    settings: Mapping[str, str] | None = None  # besides SETTINGS
    throwaway: bool = False
    name: str = "postgres"

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return self.url_of(self.database)

    def url_of(self, database: str) -> str:
        """Where clients find another database of this server."""
        return f"postgresql://{self._user_and_password()}@{LOCALHOST}:{self.port}/{database}"

    def prepare(self) -> Command:
        """Make or mend the data folder, take its lock and return the command to start."""
        folder = programs.postgres_folder(self.folder)
        with entered(self.home, what="PostgreSQL", port=self.port) as home:
            folder = programs.reachable(folder / "postgres", account=home.account).parent
            if not (self.home / DATA).exists():
                self._initialize(folder, home)
            _forget_dead_postmaster(self.home / DATA)
            return Command(
                argv=(str(folder / "postgres"), "-D", str(home.inside / DATA), *self._options()),
                log=self.log,
                account=home.account,
                stop_signal=signal.SIGINT,  # fast shutdown: SIGTERM would wait for every client to leave
                death_signal=signal.SIGQUIT,  # ends all backends too; the next start replays the WAL
                inherited=tuple(home.inherited),
            )

    def answers(self) -> bool:
        """Say whether our database takes a connection, making it on the first one."""
        try:
            runtime.run(self._make_database())
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True

    def _user_and_password(self) -> str:
        return USER if self.throwaway else f"{USER}:{(private.read(self.home / PASSWORD) or '').strip()}"

    def _options(self) -> list[str]:
        chosen = {**SETTINGS, "port": str(self.port), **(self.settings or {})}
        return [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]

    def _initialize(self, folder: Path, home: Home) -> None:
        """Make the data folder under another name first, so that a half-made one is never started."""
        shutil.rmtree(self.home / UNFINISHED, ignore_errors=True)
        argv = [str(folder / "initdb"), "-D", str(home.inside / UNFINISHED), "-U", USER]
        argv += ["--encoding=UTF8", *_collation(folder), *self._authentication(home)]
        made = run(argv, account=home.account, inherited=home.inherited)
        if made.returncode:
            raise StartError(f"initdb could not make {self.home / DATA}:\n{made.stderr or made.stdout}")
        (self.home / UNFINISHED).rename(self.home / DATA)

    def _authentication(self, home: Home) -> list[str]:
        if self.throwaway:
            return ["--auth=trust", "--no-sync"]
        private.write(self.home / PASSWORD, secrets.token_urlsafe(24), home.account)
        return ["--auth=scram-sha-256", f"--pwfile={home.inside / PASSWORD}"]

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self.url_of("postgres"), timeout=CONNECT_SECONDS)
        try:
            known = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", self.database)
            if not known:
                await connection.execute(f'CREATE DATABASE "{self.database}"')
        finally:
            await connection.close(timeout=CONNECT_SECONDS)


def _collation(folder: Path) -> list[str]:
    """Unicode rules that need nothing of the system, so far as this version has them."""
    version = run([str(folder / "postgres"), "--version"]).stdout.split()[2]
    if int(version.split(".")[0]) < UNICODE_COLLATION_SINCE:
        return ["--locale=C.UTF-8"]
    return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]


def _forget_dead_postmaster(data: Path) -> None:
    """Remove a postmaster.pid whose process is gone, a zombie, or now something else.

    Postgres itself takes any process of that id for a living server. We hold the folder's lock, so none
    of ours is alive; one that a person started by hand is left for Postgres to find.
    """
    note = data / "postmaster.pid"
    with private.folder_of(note) as folder:
        said = private.read_in(folder, note)
        if said is not None and not _is_postgres(said.split("\n", 1)[0]):
            os.unlink(note.name, dir_fd=folder)


def _is_postgres(pid: str) -> bool:
    stat = Path("/proc") / pid / "stat"
    if not (pid.isdecimal() and stat.exists()):
        return not Path("/proc/self").exists()  # no /proc here: leave it to Postgres
    name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
    return name.startswith(("postgres", "postmaster")) and not rest.lstrip().startswith("Z")
