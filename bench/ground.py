"""Servers for benchmarks: an embedded Postgres and Valkey as `cogento run` starts them, migrated and empty."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cogento.local.process import Command, Process
from cogento.local.services import ROOT
from cogento.store.migrate import migrate
from tests.support import servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogento.local.postgres import Postgres
    from cogento.local.valkey import Valkey


@dataclass(frozen=True, slots=True)
class Ground:
    """Two durable servers, gone with the benchmark."""

    postgres: servers.RunningServer[Postgres]
    valkey: servers.RunningServer[Valkey]


@contextmanager
def ground(kept: Path | None = None) -> Iterator[Ground]:
    """Start both and migrate the database; in a folder that is `kept` for later runs, or in one that is gone in the end."""
    home = kept or servers.make_home()
    home.mkdir(exist_ok=True)
    postgres = servers.start_postgres(home, settings={})
    valkey = servers.start_valkey(home)
    try:
        migrate(postgres.url)
        yield Ground(postgres, valkey)
    finally:
        for server in (postgres, valkey):
            server.stop() if kept else server.kill()
        if kept is None:
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def running(argv: Sequence[str], *, folder: Path = ROOT, **environment: str) -> Iterator[Process]:
    """Run a process that is killed in the end; its log goes with it."""
    with tempfile.TemporaryDirectory() as logs:
        log = Path(logs) / "log"
        process = Process(Command(argv=tuple(argv), log=log, environment=environment, folder=folder))
        try:
            yield process
        finally:
            process.kill()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all its descendants so far, dead children that it has waited for included."""
    return sum(_own_cpu_seconds(one) for one in servers.processes_under(pid))


def _own_cpu_seconds(pid: int) -> float:
    try:
        fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
