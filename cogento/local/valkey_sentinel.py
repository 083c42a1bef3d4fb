"""A Sentinel on this machine: watches a Valkey and its replica, and makes the replica the master when the master is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis

from cogento.local import safe_files
from cogento.local.binaries import reachable, redis_binary
from cogento.local.ports import LOCALHOST
from cogento.local.process import Command
from cogento.local.server_folder import locked_folder

if TYPE_CHECKING:
    from pathlib import Path

    from cogento.local.valkey import Valkey

CONFIGURATION = "sentinel.conf"


@dataclass(slots=True, kw_only=True)
class ValkeySentinel:
    """A Sentinel in `folder` that calls `watched` by the name `master`.

    `quorum` Sentinels have to agree that the master is gone.
    """

    folder: Path
    port: int
    log: Path
    watched: Valkey
    master: str
    quorum: int = 1
    down_after_seconds: float = 2.0
    binary: Path | None = None
    name: str = "sentinel"

    def prepare(self) -> Command:
        """Make the folder, take its lock and return the command to start.

        Sentinel keeps what it learns in the same file as its configuration, so the file is written only once.
        """
        binary = redis_binary(self.binary)
        with locked_folder(self.folder, what="Sentinel", port=self.port) as locked:
            binary = reachable(binary, user=locked.user)
            if safe_files.read(self.folder / CONFIGURATION) is None:
                lines = (
                    f"port {self.port}",
                    f"bind {LOCALHOST}",
                    f'dir "{locked.inside}"',
                    f"sentinel monitor {self.master} {LOCALHOST} {self.watched.port} {self.quorum}",
                    f"sentinel down-after-milliseconds {self.master} {int(self.down_after_seconds * 1000)}",
                    f"sentinel failover-timeout {self.master} 10000",
                    *(
                        [f"sentinel auth-pass {self.master} {self.watched.password}"]
                        if self.watched.password
                        else []
                    ),
                )
                safe_files.write(self.folder / CONFIGURATION, "\n".join((*lines, "")), locked.user)
            return Command(
                argv=(str(binary), str(locked.inside / CONFIGURATION), "--sentinel"),
                log=self.log,
                user=locked.user,
                inherited=tuple(locked.inherited),
            )

    def forget(self) -> None:
        """Forget what was learnt in an earlier run, whose servers had other ports."""
        (self.folder / CONFIGURATION).unlink(missing_ok=True)

    def answers(self) -> bool:
        """Tell whether it knows the master and a replica, without which it cannot fail over."""
        try:
            with redis.Redis(host=LOCALHOST, port=self.port, socket_timeout=2) as client:
                told = client.sentinel_master(self.master)
        except redis.RedisError:
            return False
        return int(told["num-slaves"]) > 0


def sentinel_url(sentinels: list[ValkeySentinel]) -> str:
    """Return where clients of the master connect to."""
    first = sentinels[0]
    login = f":{first.watched.password}@" if first.watched.password else ""
    hosts = ",".join(f"{LOCALHOST}:{one.port}" for one in sentinels)
    return f"redis+sentinel://{login}{hosts}/{first.master}"
