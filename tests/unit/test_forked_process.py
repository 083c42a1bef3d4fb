"""What tests start as a copy of a template is what they would have started from nothing: tests/support/forked_process.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cogento.local.process import Command
from cogento.local.server_folder import ServerUser
from tests.support import forked_process
from tests.support.builders import SECRET
from tests.support.forked_process import (
    ROOT,
    ForkedProcess,
    Launch,
    end_template,
    start_from_nothing,
    start_process,
)
from tests.support.running_receiver import FASTPATH
from tests.support.servers import is_alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogento.local.process import Process

    Run = Callable[..., Process]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux hands a process to another parent"
)

MODULE = "tests.support.self_description"
USUAL = {
    "DATABASE_URL": "postgresql:///nowhere",
    "REDIS_URL": "redis://nowhere",
    "STRIPE_WEBHOOK_SECRET": SECRET,
    "FAILPOINTS": "in_tx=kill",
    "SENTRY_DSN": "http://key@nowhere/1",
    "PORT": "8010",
    "WEB_CONCURRENCY": "2",
}
"""Settings of ours, each of which somebody reads, and no library while it is imported."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Start the program that describes itself; what still runs at the end is killed."""
    started: list[Process] = []

    def run(*words: str, launch: Launch = start_process, **environment: str) -> Process:
        log = tmp_path / "logs" / f"{len(started)}.log"
        argv = (sys.executable, "-m", MODULE, *words)
        started.append(launch(Command(argv=argv, log=log, folder=ROOT, environment=environment)))
        return started[-1]

    yield run
    for process in started:
        process.kill()


def described(process: Process) -> dict[str, Any]:
    """Wait until it has said what it is, and return that without the name of its log."""
    log = process.command.log
    wait_until(lambda: log.read_text().endswith("\n"), what=f"a description in {log}")
    facts: dict[str, Any] = json.loads(log.read_text().splitlines()[0].replace(str(log), "its log"))
    return facts


def test_a_copy_differs_in_nothing_from_a_process_that_was_started_from_nothing(run: Run) -> None:
    copy = run("wait", **USUAL)
    process = run("wait", launch=start_from_nothing, **USUAL)
    assert isinstance(copy, ForkedProcess)
    assert not isinstance(process, ForkedProcess)
    assert described(copy) == described(process)


def test_a_copy_is_a_child_with_an_environment_a_session_and_a_log_of_its_own(run: Run) -> None:
    facts = described(run("wait", **USUAL))
    assert facts["parent"] == os.getpid()
    assert facts["environment"] == {**os.environ, **USUAL}
    assert facts["leads_session"]
    assert facts["descriptors"] == {"0": "/dev/null", "1": "its log", "2": "its log"}
    assert facts["death_signal"] == signal.SIGKILL


def test_what_was_unset_after_the_template_began_is_unset_in_a_copy(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_template()
    monkeypatch.setenv("SINCE_THEN", "unset")
    described(run("wait"))
    monkeypatch.delenv("SINCE_THEN")
    assert "SINCE_THEN" not in described(run("wait"))["environment"]


def test_the_template_has_loaded_nothing_of_ours_and_has_one_thread(run: Run) -> None:
    facts = described(run("wait"))
    assert facts["ours"] == []
    assert facts["threads"] == ["MainThread"]


def test_a_program_by_its_script_reads_its_command_line_as_ever(tmp_path: Path) -> None:
    argv = (forked_process.SCRIPTS[1], "--version")
    gunicorn = start_process(Command(argv=argv, log=tmp_path / "log", folder=ROOT))
    assert isinstance(gunicorn, ForkedProcess)
    assert gunicorn.wait(30)
    assert gunicorn.exit_code() == 0
    assert gunicorn.last_log_lines()[0].startswith("gunicorn (version ")


def test_a_copy_tells_with_which_code_it_ended(run: Run) -> None:
    process = run("end", "78")
    assert process.wait(30)
    assert process.exit_code() == 78


def test_an_error_that_nobody_caught_is_in_the_log_of_the_copy(run: Run) -> None:
    process = run("fail")
    assert process.wait(30)
    assert process.exit_code() == 1
    assert process.last_log_lines()[-1] == "LookupError: as asked"


def test_a_copy_tells_which_signal_ended_it(run: Run) -> None:
    process = run("wait")
    described(process)
    assert process.exit_code() is None
    assert not process.wait(0)
    process.send(signal.SIGTERM)
    assert process.wait(30)
    assert process.exit_code() == -signal.SIGTERM
    process.send(signal.SIGTERM)  # to one that has gone is sent nothing


def test_two_copies_are_no_parts_of_each_other(run: Run) -> None:
    first, second = run("wait"), run("wait")
    described(second)
    first.kill()
    assert first.exit_code() == -signal.SIGKILL
    assert second.exit_code() is None


def test_copies_outlive_the_template_and_another_takes_its_place(run: Run) -> None:
    process = run("wait")
    described(process)
    template = forked_process._template
    assert template
    os.kill(template.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(template.pid), what="the template to die")
    assert isinstance(run("wait"), ForkedProcess)
    assert process.exit_code() is None


def test_template_and_copies_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    program = f"""
import sys, time
from pathlib import Path
from cogento.local.process import Command
from tests.support import forked_process
copy = forked_process.start_process(
    Command(argv=(sys.executable, "-m", {MODULE!r}, "wait"), log=Path({str(tmp_path / "log")!r}), folder=forked_process.ROOT)
)
print(copy.pid, forked_process._template.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert [is_alive(pid) for pid in pids] == [True, True]
        parent.kill()
    wait_until(lambda: not any(map(is_alive, pids)), what="both to end")


@pytest.fixture
def template() -> forked_process.Template:
    running = forked_process._current_template()
    assert running
    return running


COMMAND = Command(argv=FASTPATH, log=Path("log"), folder=ROOT, environment=USUAL)


def test_our_settings_are_read_by_the_copy(template: forked_process.Template) -> None:
    assert template.can_become(COMMAND)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"argv": ("/bin/sh", "-c", "true")}, id="another-program"),
        pytest.param({"argv": (sys.executable, "-c", "pass")}, id="no-module"),
        pytest.param({"argv": ("/usr/bin/python3", "-m", "worker")}, id="another-python"),
        pytest.param({"folder": Path("/")}, id="another-folder"),
        pytest.param({"user": ServerUser(uid=1, gid=1)}, id="another-user"),
        pytest.param({"inherited": (0,)}, id="with-a-lock"),
        pytest.param({"environment": {"LD_PRELOAD": "/clock.so"}}, id="a-preloaded-library"),
        pytest.param({"environment": {"PYTHONDEVMODE": "1"}}, id="read-by-python"),
        pytest.param({"environment": {"OTEL_SERVICE_NAME": "shop"}}, id="read-at-a-start"),
        pytest.param({"environment": {"KOMBU_LOG_CHANNEL": "1"}}, id="read-by-a-library"),
    ],
)
def test_what_a_copy_would_do_otherwise_starts_from_nothing(
    template: forked_process.Template, other: dict[str, Any]
) -> None:
    assert not template.can_become(replace(COMMAND, **other))


def test_without_a_template_there_is_nothing_to_end() -> None:
    end_template()
    end_template()
    assert forked_process._template is None
