"""Real servers for the tests: the embedded ones, or those of TEST_POSTGRES_BIN and TEST_REDIS_SERVER.

They end when pytest ends, in whatever way, and tests can do faults to them.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from cogento.local.ports import free_port
from cogento.local.postgres import Postgres
from cogento.local.process import Process
from cogento.local.supervisor import Service, await_ready
from cogento.local.valkey import Valkey
from cogento.queue.errors import MailboxUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

STOP_SECONDS = 10
PATIENT_SECONDS = 5
"""How long a test's client waits for a server without a fault; a process of ours waits a tenth of it."""
# A database for each test is many files, and on a disk these take most of the test's time.
MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 * 1024**3
QUICK_POSTGRES = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "autovacuum": "off",
}
QUICK_VALKEY = {"loglevel": "warning"}

T = TypeVar("T")
P = TypeVar("P", bound=Service)
S = TypeVar("S", Postgres, Valkey)


class Running(Generic[P]):
    """A started server or program of ours, and the faults a test can do to it."""

    def __init__(self, description: P) -> None:
        self.description = description
        self.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL every process of it at once, as a power loss would."""
        family = processes_under(self.pid)
        for pid in family:
            send(pid, signal.SIGKILL)
        self.process.kill()
        wait_until(lambda: not any(is_alive(pid) for pid in family), what=f"{self.description.name} to die")

    def freeze(self) -> None:
        """SIGSTOP every process: connections stay open and nothing answers."""
        for pid in processes_under(self.pid):
            send(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in processes_under(self.pid):
            send(pid, signal.SIGCONT)

    def launch(self) -> None:
        """Start it, again after `kill` or `stop`: on the same port and data; without waiting for it."""
        self.process = Process(self.description.prepare())

    def start(self) -> None:
        """Start it and wait until it does its work."""
        self.launch()
        await_ready(self.description, self.process)

    def restart(self) -> None:
        """Stop it in an orderly way and start it again."""
        self.stop()
        self.start()

    def stop(self) -> None:
        self.thaw()
        self.process.stop(within_seconds=STOP_SECONDS)


class RunningServer(Running[S]):
    """A server that others connect to."""

    @property
    def url(self) -> str:
        url: str = self.description.url
        return url


def start_postgres(home: Path, *, settings: Mapping[str, str] | None = None) -> RunningServer[Postgres]:
    """Start a throwaway PostgreSQL in `home`; pass `{}` as settings for one that is durable."""
    return RunningServer(
        Postgres(
            folder=home / "postgres",
            port=free_port(),
            log=home / "postgres.log",
            binaries=chosen("TEST_POSTGRES_BIN"),
            settings=QUICK_POSTGRES if settings is None else settings,
            throwaway=True,
        )
    )


def start_valkey(home: Path, *, settings: Mapping[str, str] | None = None) -> RunningServer[Valkey]:
    """Start a throwaway Valkey in `home`; it is durable (`appendfsync always`) unless settings say else."""
    return RunningServer(
        Valkey(
            folder=home / "valkey",
            port=free_port(),
            log=home / "valkey.log",
            binary=chosen("TEST_REDIS_SERVER"),
            settings=QUICK_VALKEY if settings is None else settings,
            throwaway=True,
        )
    )


def make_home() -> Path:
    """Make a folder that names its test run; pytest would keep those of its last three runs."""
    return Path(tempfile.mkdtemp(prefix=f"cogento-test-{os.getpid()}-"))


def make_quick_home() -> Path:
    """Make one in memory, where there is room: for servers whose disk no test is about."""
    if not MEMORY.exists() or shutil.disk_usage(MEMORY).free < ROOM_BYTES:
        return make_home()
    return Path(tempfile.mkdtemp(prefix=f"cogento-test-{os.getpid()}-", dir=MEMORY))


def lend_home() -> Iterator[Path]:
    """Lend a home to a fixture, which leaves it at its end."""
    home = make_home()
    yield home
    leave_home(home)


def leave_home(home: Path) -> None:
    """Remove a home, or with KEEP=1 set it aside where no later run removes it."""
    if os.environ.get("KEEP"):
        home.rename(home.with_name(f"kept-{home.name}"))
    else:
        shutil.rmtree(home, ignore_errors=True)


def remove_homes_of_the_dead() -> None:
    """Remove the folders of test runs that were killed before they could."""
    places = (Path(tempfile.gettempdir()), MEMORY)
    for home in itertools.chain.from_iterable(place.glob("cogento-test-*") for place in places):
        if not is_alive(int(home.name.split("-")[2])):
            shutil.rmtree(home, ignore_errors=True)


def processes_under(pid: int) -> list[int]:
    """Return a process and all its descendants, parents first."""
    parents = {int(entry.name): _parent(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found = [pid]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found


def is_alive(pid: int) -> bool:
    """Say whether this process exists and is no zombie."""
    return _stat(Path("/proc") / str(pid))[:1] not in ([], ["Z"])


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that has gone already is fine."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def patiently(ask: Callable[[], T], *, times: int = 5) -> T:
    """Ask again while the mailboxes' server does not answer in time: a shared disk may stall for a moment."""
    for _ in range(times - 1):
        with suppress(MailboxUnavailable):
            return ask()
    return ask()


def wait_until(holds: Callable[[], bool], *, what: str, seconds: float = 30) -> None:
    """Wait for a condition and fail with what was awaited.

    For a second it is asked all the time, for what is soon over; from then on ten times a second, and for no more than
    half of the time: a question that takes a connection costs both sides milliseconds of a processor that others need.
    """
    begun = time.monotonic()
    while True:
        asked = time.monotonic()
        if patiently(holds):
            return
        now = time.monotonic()
        waited = now - begun
        assert waited < seconds, f"waited {seconds} s for {what}"
        time.sleep(0.01 if waited < 1 else max(0.1, min(now - asked, 1)))


def _parent(entry: Path) -> int:
    fields = _stat(entry)
    return int(fields[1]) if fields else 0


def _stat(entry: Path) -> list[str]:
    """Return the fields of /proc/PID/stat after the name: state, parent, …; none when it has gone."""
    try:
        return (entry / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def chosen(variable: str) -> Path | None:
    """Return the program or folder that this environment variable names, if it does."""
    path = os.environ.get(variable)
    return Path(path) if path else None
