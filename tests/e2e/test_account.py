"""A real account in one command: `cogento run` with a key, no webhook, killed in between; the tables equal Stripe."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cogento.local.process import Command, Process
from cogento.local.services import ROOT
from cogento.local.stripe.compare import compare
from cogento.local.stripe.truth import read_truth
from cogento.settings import EX_CONFIG
from tests.support import servers
from tests.support.local_run import COGENTO_RUN, NOTHING_GIVEN, LocalRun
from tests.support.sender import Sender
from tests.support.simulated_stripe import askable
from tests.support.stripe_asking import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cogento.local.stripe.compare import Difference

EXISTING = 250


class OtherPeoplesStripe:
    """A simulated Stripe that sends no webhook anywhere, in a process of its own."""

    def __init__(self, home: Path) -> None:
        ready = home / "stripe.json"
        argv = (
            *(sys.executable, "-m", "cogento.local.stripe", "--rate", "10", "--existing", str(EXISTING)),
            *("--customers", str(EXISTING + 50), "--ready-file", str(ready)),
        )
        self.process = Process(Command(argv=argv, log=home / "stripe.log", folder=ROOT))
        servers.wait_until(
            lambda: ready.exists() and ready.read_text().endswith("\n"), what="Stripe", seconds=60
        )
        told = json.loads(ready.read_text())
        self.given = {"STRIPE_API_KEY": KEY, "STRIPE_API_BASE": told["api_url"]}
        self.control = Sender(told["control_url"], "")

    def trouble(self, *faults: dict[str, object]) -> None:
        """Meet requests with these faults from now on, and with no others."""
        self.control.ask("faults", faults)

    def differences(self, database_url: str) -> tuple[Difference, ...]:
        """Return where the tables differ from what this Stripe can still answer."""
        whole = read_truth(self.control.ask("truth"))
        return askable(asyncio.run(compare(database_url, whole)).differences, whole)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = servers.make_home()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stripe(home: Path) -> Iterator[OtherPeoplesStripe]:
    simulated = OtherPeoplesStripe(home)
    yield simulated
    simulated.process.kill()


@pytest.fixture(autouse=True)
def _without_trouble(stripe: OtherPeoplesStripe) -> Iterator[None]:
    yield
    stripe.trouble()


def test_an_account_is_filled_stays_live_without_webhooks_and_survives_kills_and_outages(
    home: Path, stripe: OtherPeoplesStripe
) -> None:
    run = LocalRun(home / "data", "--poll", "1", given=stripe.given).until_ready()
    servers.wait_until(lambda: "Backfilled" in run.output.read_text(), what="the backfill", seconds=60)
    printed = run.output.read_text()
    run.kill_alone()
    stripe.control.ask("happen", {"events": 200})
    stripe.trouble({"kind": "unavailable"})

    following = LocalRun(home / "data", "--poll", "1", given=stripe.given).until_ready()
    servers.wait_until(
        lambda: "poll_failed" in (home / "data/logs/worker.log").read_text(), what="a failed poll", seconds=30
    )
    stripe.trouble()
    stripe.control.ask("stop", {})
    url = following.facts["database_url"]
    servers.wait_until(lambda: stripe.differences(url) == (), what="equal tables", seconds=90)
    following.end()

    assert "your account" in printed
    assert "its events are read every 1 s" in printed
    assert "Backfilled" not in following.output.read_text().removeprefix(printed)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"kind": "unauthorized"}, "Stripe refuses STRIPE_API_KEY"),
        (
            {"kind": "forbidden", "path": "/v1/subscriptions"},
            "may not read Subscriptions. In Stripe's dashboard",
        ),
    ],
)
def test_a_key_that_cannot_do_the_work_is_one_sentence(
    home: Path, stripe: OtherPeoplesStripe, fault: dict[str, object], sentence: str
) -> None:
    stripe.trouble(fault)

    ended = subprocess.run(
        [*COGENTO_RUN, "--data", str(home / "data")],
        cwd=ROOT,
        env=os.environ | NOTHING_GIVEN | stripe.given,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == EX_CONFIG, ended.stderr
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
