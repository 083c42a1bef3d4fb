"""Webhooks are lost and Redis is emptied under load: one sweep later the tables equal Stripe, and the missed events are counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from cogento.local.services import ROOT
from tests.support.servers import wait_until
from tests.support.whole_system import WholeSystem, whole_system

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE = "100"
EVENTS_OF_THE_DAY = 300
QUIET_SECONDS = 90


@pytest.fixture(scope="module")
def system() -> Iterator[WholeSystem]:
    seed = os.environ.get("SEED", "1")
    print(f"SEED={seed}")  # noqa: T201 - a failure can be replayed with it
    with whole_system("--simulate", "--ask", "--rate", RATE, "--seed", seed) as running:
        yield running


def cogento(system: WholeSystem, *words: str) -> Any:
    """What a command says, as JSON."""
    facts = system.facts
    environment = {
        "DATABASE_URL": facts["database_url"],
        "REDIS_URL": facts["redis_url"],
        "STRIPE_API_KEY": facts["stripe_api_key"],
        "STRIPE_API_BASE": facts["stripe_api_url"],
    }
    done = subprocess.run(
        [sys.executable, "-m", "cogento", *words, "--json"],
        env=os.environ | environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


@pytest.mark.timeout(300)
def test_f17_one_sweep_brings_back_a_day_without_webhooks_and_what_redis_held(system: WholeSystem) -> None:
    sender = system.sender
    wait_until(lambda: sender.counters()["accepted_events"] > 100, what="load", seconds=60)
    with redis.Redis.from_url(sender.redis_url) as client:
        client.flushall()
    sender.ask("disorder", {"lost_share": 1.0})
    sender.ask("happen", {"events": EVENTS_OF_THE_DAY})
    sender.become_quiet(seconds=QUIET_SECONDS)
    lost, last = sender.counters()["lost_events"], sender.last_second()

    # A sweep lists what is older than its own second, and a creation may be stamped some seconds ahead.
    wait_until(lambda: int(time.time()) > last, what="the end of the last event's second", seconds=60)
    wait_until(lambda: cogento(system, "sweep") is not None, what="our turn to sweep", seconds=60)
    wait_until(lambda: sender.status().waiting == 0, what="empty mailboxes", seconds=QUIET_SECONDS)
    wait_until(lambda: cogento(system, "status")["unsure"] == 0, what="settled doubts", seconds=150)

    verdict = system.check(sources_allowed=["sweep", "fetch"])
    assert lost >= EVENTS_OF_THE_DAY
    assert cogento(system, "status")["missing_total"] >= lost
    assert verdict.judgement.problems == ()
    assert sender.status().parked == 0
