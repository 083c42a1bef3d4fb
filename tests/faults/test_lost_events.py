"""Events that never come while Stripe may not be asked: rows show what the other events say, and are unsure where these leave it open."""

from __future__ import annotations

import os

import pytest

from tests.support.servers import wait_until
from tests.support.stack import Size, running_stack

DISORDER = {"window_seconds": 2, "late_share": 0.02, "late_seconds": 10}
QUIET_SECONDS = 120


@pytest.mark.parametrize(("events", "lost_share"), [(6000, 0.03), (2500, 0.8)])
@pytest.mark.chaos
@pytest.mark.timeout(400)
def test_rows_are_unsure_only_where_an_oracle_is_and_else_show_what_the_events_that_came_tell(
    events: int, lost_share: float
) -> None:
    seed = int(os.environ.get("SEED", "1"))
    print(f"SEED={seed}")  # noqa: T201 - a failure can be replayed with it
    with running_stack(seed=seed, size=Size(rate=200, customers=400, workers=4)) as stack:
        stack.sender.ask("disorder", DISORDER | {"lost_share": lost_share})
        wait_until(lambda: stack.sender.counters()["events"] > events, what="a life", seconds=120)
        stack.sender.become_quiet(seconds=QUIET_SECONDS)
        verdict = stack.check()

    print(verdict)  # noqa: T201 - how many rows are unsure
    assert verdict.problems == []
    assert verdict.lost > events * lost_share / 2
    assert verdict.judgement.sources.keys() == {"webhook"}
    assert verdict.judgement.unsure_rows == verdict.judgement.confirmed > 0
