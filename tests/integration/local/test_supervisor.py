"""The supervisor with small programs in place of the real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cogento.local.errors import StartError
from cogento.local.services import Program
from cogento.local.supervisor import Supervisor
from tests.support import servers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OBEDIENT = "echo ready; exec sleep 300"
STUBBORN = "trap '' TERM; echo ready; sleep 300 & wait; sleep 300"
BROKEN = "echo ready; sleep 0.2; echo 'no such table: users' >&2; exit 3"


class Watched(Supervisor):
    """A supervisor that remembers what it said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        super().__init__(say=self.said.append)

    def supervise_until_it_said(self, text: str) -> None:
        def has_said() -> bool:
            self.restart_ended()
            return any(text in line for line in self.said)

        servers.wait_until(has_said, what=f"the supervisor to say {text!r}, not {self.said}")


@pytest.fixture
def supervisor() -> Iterator[Watched]:
    supervisor = Watched()
    yield supervisor
    supervisor.kill_all()
    supervisor.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def script(folder: Path, text: str = OBEDIENT, *, name: str = "worker") -> Program:
    return Program(name=name, argv=("sh", "-c", text), log=folder / f"{name}.log", ready_text="ready")


def test_start_returns_once_everything_is_ready(supervisor: Watched, folder: Path) -> None:
    supervisor.start([script(folder, name="receiver"), script(folder, name="worker")])

    assert supervisor.pids.keys() == {"receiver", "worker"}
    assert all(map(servers.is_alive, supervisor.pids.values()))


def test_a_process_that_ends_while_starting_is_named_with_what_it_said(
    supervisor: Watched, folder: Path
) -> None:
    failing = script(folder, "echo 'REDIS_URL is not set' >&2; exit 78", name="receiver")

    with pytest.raises(StartError) as failure:
        supervisor.start([failing])

    assert "receiver" in str(failure.value)
    assert "exit code 78" in str(failure.value)
    assert "receiver | REDIS_URL is not set" in str(failure.value)


def test_what_an_earlier_start_said_is_not_held_against_this_one(supervisor: Watched, folder: Path) -> None:
    folder.mkdir()
    (folder / "worker.log").write_text("an old trouble\n")

    with pytest.raises(StartError) as failure:
        supervisor.start([script(folder, "echo 'a new trouble'; exit 1")])

    assert "worker | a new trouble" in str(failure.value)
    assert "an old trouble" not in str(failure.value)


def test_readiness_of_an_earlier_start_does_not_count(supervisor: Watched, folder: Path) -> None:
    folder.mkdir()
    (folder / "worker.log").write_text("ready\n")

    with pytest.raises(StartError):
        supervisor.start([script(folder, "exit 1")])


def test_what_dies_is_started_again_as_a_new_process(supervisor: Watched, folder: Path) -> None:
    supervisor.start([script(folder)])
    first = supervisor.pids["worker"]

    os.kill(first, signal.SIGKILL)
    supervisor.supervise_until_it_said("started again")

    assert supervisor.said[0] == f"worker (process {first}) was ended by SIGKILL"
    assert supervisor.pids["worker"] != first


def test_an_error_is_said_with_its_last_lines(supervisor: Watched, folder: Path) -> None:
    supervisor.start([script(folder, BROKEN)])

    supervisor.supervise_until_it_said("ended with exit code 3")

    assert "worker | no such table: users" in supervisor.said[0]


def test_what_keeps_dying_is_started_ever_more_rarely(folder: Path) -> None:
    now = [0.0]
    supervisor = Supervisor(say=lambda _: None, clock=lambda: now[0])
    supervisor.start([script(folder, "echo ready; sleep 0.3; exit 1")])
    ended = supervisor.pids["worker"]
    servers.wait_until(lambda: not servers.is_alive(ended), what="the first life to end")

    supervisor.restart_ended()
    assert not supervisor.pids

    now[0] = 1.0
    supervisor.restart_ended()
    assert supervisor.pids
    supervisor.kill_all()
    supervisor.stop()


def test_a_worker_left_behind_by_its_master_is_ended_before_the_next_start(
    supervisor: Watched, folder: Path
) -> None:
    supervisor.start([script(folder, "sleep 300 & echo ready; wait")])
    master = supervisor.pids["worker"]
    left_behind = servers.processes_under(master)[1]

    os.kill(master, signal.SIGKILL)
    supervisor.supervise_until_it_said("started again")

    servers.wait_until(lambda: not servers.is_alive(left_behind), what="the child to end")


def test_tiers_stop_in_reverse_order(supervisor: Watched, folder: Path, tmp_path: Path) -> None:
    order = tmp_path / "order"
    noting = "trap 'echo {name} >> {order}; exit' TERM; echo ready; while :; do sleep 0.02; done"
    supervisor.start([script(folder, noting.format(name="database", order=order), name="database")])
    supervisor.start([script(folder, noting.format(name="worker", order=order), name="worker")])

    supervisor.stop()

    assert order.read_text().split() == ["worker", "database"]


def test_what_does_not_heed_is_killed_in_time(supervisor: Watched, folder: Path) -> None:
    supervisor.start([script(folder, STUBBORN, name="stubborn"), script(folder, name="frozen")])
    os.kill(supervisor.pids["frozen"], signal.SIGSTOP)
    family = [*servers.processes_under(supervisor.pids["stubborn"]), supervisor.pids["frozen"]]
    supervisor.stop_seconds = 0.5
    begun = time.monotonic()

    supervisor.stop()

    servers.wait_until(
        lambda: not any(map(servers.is_alive, family)), what="the whole family to end", seconds=1
    )
    assert time.monotonic() - begun < 5


def test_children_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", SUPERVISES, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())

    parent.kill()

    servers.wait_until(lambda: not servers.is_alive(child), what="the child to follow its supervisor")
    parent.communicate()


SUPERVISES = """
import sys
from pathlib import Path
from cogento.local.services import Program
from cogento.local.supervisor import Supervisor
supervisor = Supervisor(say=print)
argv = ("sh", "-c", "trap '' TERM HUP INT; echo ready; while :; do sleep 1; done")
supervisor.start([Program(name="child", argv=argv, log=Path(sys.argv[1]) / "log", ready_text="ready")])
print(supervisor.pids["child"], flush=True)
sys.stdin.read()
"""
