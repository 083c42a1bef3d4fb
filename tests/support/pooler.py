"""PgBouncer between a program and a server of the tests, where the distribution has it (.ci/run installs it)."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.local.ports import LOCALHOST
from cogento.local.process import Command
from cogento.local.server_folder import locked_folder
from tests.support.programs import installed

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """\
[databases]
* = host={host} port={server_port}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = md5
auth_file = {users}
pool_mode = {mode}
logfile =
pidfile =
"""

PASSWORD = "right"
ABSENT_USER = "absent"
"""A user whom the pooler lets in and the server does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PgBouncer:
    """A PgBouncer with default settings, except for where it listens and whom it lets in."""

    folder: Path
    log: Path
    port: int
    server_port: int
    mode: str
    name: str = "pgbouncer"

    def prepare(self) -> Command:
        """Write its configuration and return the command to start."""
        with locked_folder(self.folder, what="PgBouncer", port=self.port) as locked:
            users = "".join(f'"{user}" "{PASSWORD}"\n' for user in ("postgres", ABSENT_USER))
            (self.folder / "users.txt").write_text(users)
            (self.folder / "pgbouncer.ini").write_text(
                CONFIGURATION.format(
                    host=LOCALHOST,
                    port=self.port,
                    server_port=self.server_port,
                    users=locked.inside / "users.txt",
                    mode=self.mode,
                )
            )
            return Command(
                argv=(installed("pgbouncer"), "--quiet", str(locked.inside / "pgbouncer.ini")),
                log=self.log,
                user=locked.user,
                inherited=tuple(locked.inherited),
            )

    def answers(self) -> bool:
        """Say whether it listens."""
        with socket.socket() as probe:
            return probe.connect_ex((LOCALHOST, self.port)) == 0
