"""How many events the receiver accepts, and how soon it answers, beside applications that only read the body.

    .venv/bin/python -m bench.receiver --events 20000 --rounds 3

Real processes, `redis_fsync`, distinct signed events of 3 to 4 KB. Each round floods three applications on the same
server: the receiver, a Flask view and a bare ASGI application. Then answers are timed at shares of the receiver's
highest rate (the bare one at the same rates, the Flask view at half of its own highest rate), and, with a worker at
work, while Postgres runs and while it is frozen.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import redis

from bench.ground import ground
from bench.rounds import medians
from bench.sending import at_rate, flood, signed_requests
from bench.serving import BARE, FLASK, RECEIVER, served
from bench.working import worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.ground import Ground
    from bench.sending import Sent

CUSTOMERS = 4_000
WARM_UP = 2_000
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
HALF = 0.5
BESIDE_A_WORKER = 0.25
SECONDS = 4.0
TAIL = 0.99


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=20_000, help="events of a flood")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    medians(lambda: one_round(arguments.events), rounds=arguments.rounds)


def one_round(events: int) -> dict[str, float]:
    """Rates, CPU time per event, times of answers, and the ratios that have a target."""
    with ground() as servers:
        highest = {app: highest_rate(app, servers, events) for app in (RECEIVER, FLASK, BARE)}
        ours, flask, bare = (highest[app]["per_s"] for app in (RECEIVER, FLASK, BARE))
        curve = {share: timed(RECEIVER, servers, per_second=share * ours) for share in SHARES}
        p99 = curve[HALF].percentile_ms(TAIL)
        flask_p99 = timed(FLASK, servers, per_second=HALF * flask).percentile_ms(TAIL)
        bare_p99 = timed(BARE, servers, per_second=HALF * ours).percentile_ms(TAIL)
        running, stopped = beside_postgres(servers, per_second=BESIDE_A_WORKER * ours)
    return {
        "accepted_per_s": ours,
        "flask_per_s": flask,
        "bare_per_s": bare,
        "accepted_over_flask": ours / flask,
        "accepted_over_bare": ours / bare,
        "accepted_cpu_us": highest[RECEIVER]["cpu_us"],
        "flask_cpu_us": highest[FLASK]["cpu_us"],
        "bare_cpu_us": highest[BARE]["cpu_us"],
        **{f"p50_ms_at_{share:.0%}": sent.percentile_ms(0.5) for share, sent in curve.items()},
        **{f"p99_ms_at_{share:.0%}": sent.percentile_ms(TAIL) for share, sent in curve.items()},
        "p99_over_flask": p99 / flask_p99,
        "p99_over_bare": p99 / bare_p99,
        "p99_ms_postgres_runs": running,
        "p99_ms_postgres_stopped": stopped,
        "p99_stopped_over_running": stopped / running,
    }


def highest_rate(app: str, servers: Ground, events: int) -> Mapping[str, float]:
    """Requests per second of an application that is flooded, and its CPU time for one."""
    requests = signed_requests(WARM_UP + events, customers=CUSTOMERS)
    with served(app, servers) as server:
        flood(server.port, requests[:WARM_UP])
        before = server.cpu_seconds()
        sent = flood(server.port, requests[WARM_UP:])
        cpu_us = (server.cpu_seconds() - before) / events * 1e6
    empty(servers)
    return {"per_s": sent.per_second, "cpu_us": cpu_us}


def timed(app: str, servers: Ground, *, per_second: float) -> Sent:
    """Send at a rate for SECONDS, once the application is warm."""
    requests = signed_requests(WARM_UP + int(SECONDS * per_second), customers=CUSTOMERS)
    with served(app, servers) as server:
        flood(server.port, requests[:WARM_UP])
        sent = at_rate(server.port, requests[WARM_UP:], per_second=per_second)
    empty(servers)
    return sent


def beside_postgres(servers: Ground, *, per_second: float) -> tuple[float, float]:
    """Return the 99th percentile in ms with Postgres at work, and with Postgres frozen."""
    each = int(SECONDS * per_second)
    requests = signed_requests(WARM_UP + 2 * each, customers=CUSTOMERS)
    with worker(servers), served(RECEIVER, servers) as server:
        flood(server.port, requests[:WARM_UP])
        running = at_rate(server.port, requests[WARM_UP : WARM_UP + each], per_second=per_second)
        servers.postgres.freeze()
        try:
            stopped = at_rate(server.port, requests[WARM_UP + each :], per_second=per_second)
        finally:
            servers.postgres.thaw()
    empty(servers)
    return running.percentile_ms(TAIL), stopped.percentile_ms(TAIL)


def empty(servers: Ground) -> None:
    """Forget what was accepted: the next events have the same ids."""
    with redis.Redis.from_url(servers.valkey.url) as client:
        client.flushall()


if __name__ == "__main__":
    main()
