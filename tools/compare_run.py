"""Compare every row of this folder's `cogento run` with its simulated Stripe, account by account: `make compare`.

The simulated Stripe stops making events, delivers what is left, and continues afterwards. Ends with 1 when a row differs that is
not marked unsure.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

from cogento.console.local_run import DEFAULT_DATA, read_accounts
from cogento.database_schema import with_schema
from cogento.local.stripe.compare import compare, describe
from cogento.local.stripe.truth import read_truth

if TYPE_CHECKING:
    from cogento.local.stripe.compare import Comparison

DELIVERY_SECONDS = 60
PROCESSING_SECONDS = 60
"""How long to wait for delivered events to be processed; a killed worker's events wait for half a minute."""


def main() -> None:
    """Print what differs in each account, or that nothing does, and end with 1 or 0."""
    accounts = read_accounts(DEFAULT_DATA)
    if not all("stripe_control_url" in facts for facts in accounts.values()) or not accounts:
        raise SystemExit(
            f"{DEFAULT_DATA}/run.json names no simulated Stripe: start `make run` in another terminal."
        )
    stripes = {name: facts["stripe_control_url"] for name, facts in accounts.items()}
    comparisons = {}
    try:
        for stripe in stripes.values():
            _ask(stripe, "stop", {})  # stop all of them first: late deliveries take half a minute in each
        for name, facts in accounts.items():
            _ask(stripes[name], "drain", {"timeout_seconds": DELIVERY_SECONDS})
            tables = with_schema(facts["database_url"], facts["database_schema"])
            comparisons[name] = _compare_until_equal(stripes[name], tables)
    finally:
        for stripe in stripes.values():
            _ask(stripe, "start", {})
    for name, comparison in comparisons.items():
        if len(accounts) > 1:
            print(f"account {name}")
        print(describe(comparison))
    sys.exit(0 if all(comparison.is_equal for comparison in comparisons.values()) else 1)


def _compare_until_equal(stripe: str, database_url: str) -> Comparison:
    truth = read_truth(_ask(stripe, "truth"))
    until = time.monotonic() + PROCESSING_SECONDS
    while True:
        comparison = asyncio.run(compare(database_url, truth))
        if comparison.is_equal or time.monotonic() > until:
            return comparison
        time.sleep(0.5)


def _ask(stripe: str, what: str, body: object = None) -> bytes:
    """POST a body, or GET without one."""
    content = None if body is None else json.dumps(body).encode()
    request = Request(f"{stripe}/{what}", data=content, headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=2 * DELIVERY_SECONDS) as response:
        answer: bytes = response.read()
    return answer


if __name__ == "__main__":
    main()
