from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cogento import failpoints
from cogento.failpoints import NAMES, FailpointError, arm
from tests.support.builders import SECRET

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ("receiver", "worker", "cogento") for path in (ROOT / folder).rglob("*.py")]
DEPLOYMENT = (
    "Procfile",
    "app.json",
    "docker-compose.yml",
    "Dockerfile",
    ".env.example",
    "cogento/local/services.py",
)
MEET_EVERY_NAME = (
    "from cogento import failpoints; [failpoints.failpoint(name) for name in sorted(failpoints.NAMES)]"
)
COMPOSE = "from cogento import reporting; reporting.configure('worker', level='ERROR', sentry_dsn=None)"


EVERY_PROCESS_THAT_CAN_BREAK = (
    "import receiver.asgi",
    "from receiver.__main__ import main; main()",
    "import worker.app",
    "from cogento.cli.main import main; main(['sweep'])",
)
CONFIGURED = {
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "DATABASE_URL": "postgresql://127.0.0.1:1/cogento",
    "STRIPE_WEBHOOK_SECRET": SECRET,
}


def run(program: str, wanted: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FAILPOINTS": wanted, **variables}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_name_stands_in_the_code_once_and_no_other() -> None:
    found = [name for path in SOURCES for name in re.findall(r'failpoint\("(\w+)"', path.read_text())]
    assert sorted(found) == sorted(NAMES)


@pytest.mark.parametrize("name", DEPLOYMENT)
def test_nothing_that_is_deployed_or_run_here_sets_the_variable(name: str) -> None:
    assert failpoints.VARIABLE not in (ROOT / name).read_text()


def test_nothing_happens_where_nothing_is_asked_for() -> None:
    assert failpoints.armed == ""
    assert [arm("")(name) for name in NAMES] == [None] * len(NAMES)


def test_an_exception_of_python_or_of_a_module_is_raised() -> None:
    failpoint = arm("before_tx=raise:KeyError, in_tx=raise:asyncpg.DeadlockDetectedError")
    failpoint("after_commit")
    with pytest.raises(KeyError):
        failpoint("before_tx")
    with pytest.raises(Exception, match="FAILPOINTS") as raised:
        failpoint("in_tx")
    assert type(raised.value).__name__ == "DeadlockDetectedError"


def test_a_turn_is_counted_and_only_that_one_acts() -> None:
    failpoint = arm("after_commit@3=raise:KeyError")
    failpoint("after_commit")
    failpoint("after_commit")
    with pytest.raises(KeyError):
        failpoint("after_commit")
    failpoint("after_commit")


def test_only_work_that_names_the_text_is_hit() -> None:
    failpoint = arm("in_tx~evt_2@2=raise:KeyError")
    failpoint("in_tx", ["evt_2"])
    failpoint("in_tx", ["evt_1"])
    failpoint("in_tx")
    with pytest.raises(KeyError):
        failpoint("in_tx", ["evt_1", "evt_2"])


def test_killed_means_killed() -> None:
    assert run(MEET_EVERY_NAME, "in_tx=sleep:1,before_commit=kill").returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ("after_lunch=kill", "no failpoint is named 'after_lunch'"),
        ("in_tx=explode", "no action is 'explode'"),
        ("in_tx=sleep:long", "no action is 'sleep:long'"),
        ("in_tx=kill:9", "no action is 'kill:9'"),
        ("in_tx=raise:Nonsense", "no action is 'raise:Nonsense'"),
        ("in_tx=raise:SystemExit", "no action is 'raise:SystemExit'"),
        ("in_tx=raise:no_such_module.Error", "no action is"),
        ("in_tx", "'in_tx' is not NAME=ACTION"),
        ("in_tx@0=kill", "'in_tx@0=kill' is not NAME=ACTION"),
    ],
)
def test_what_nobody_understands_is_refused(wanted: str, complaint: str) -> None:
    with pytest.raises(FailpointError) as refused:
        arm(wanted)
    assert complaint in str(refused.value)


def test_a_process_with_an_unusable_value_ends_with_one_line_and_code_78() -> None:
    ended = run("from cogento import failpoints", "in_tx=explode")
    assert ended.returncode == 78
    assert ended.stderr.startswith("cogento: FAILPOINTS is not usable: no action is 'explode'")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("program", EVERY_PROCESS_THAT_CAN_BREAK)
def test_a_process_that_can_break_does_not_start_on_live_events(program: str) -> None:
    ended = run(program, "in_tx=kill", STRIPE_LIVEMODE="true", STRIPE_API_KEY="rk_live_1234", **CONFIGURED)
    assert ended.returncode == 78
    assert ended.stderr.startswith("cogento: STRIPE_LIVEMODE is not usable: FAILPOINTS is set")
    assert len(ended.stderr.splitlines()) == 1


def test_live_events_are_taken_where_nothing_can_break() -> None:
    settings = (
        "from cogento.settings import StripeSettings, load; print(load(StripeSettings).stripe_livemode)"
    )
    assert run(settings, "", STRIPE_LIVEMODE="true").stdout == "True\n"


def test_a_process_that_can_break_says_so_at_any_log_level() -> None:
    (line,) = run(COMPOSE, "in_tx=kill").stdout.splitlines()
    assert json.loads(line).items() >= {"event": "failpoints_armed", "level": "critical"}.items()


def test_a_process_that_cannot_break_says_nothing() -> None:
    assert run(COMPOSE, "").stdout == ""
