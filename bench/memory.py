"""How many bytes of Redis a waiting event takes, and whether receiver and worker stay the same size.

    .venv/bin/python -m bench.memory                  # a million events through real processes: some minutes
    .venv/bin/python -m bench.memory --events 100000  # fewer

The first figure is for events of 4 to 5 KB that wait alone in their mailboxes, the dearest case. The others compare
the resident memory of the processes after a tenth of the events and after all of them; the console's is what it has when
its pages have been asked for.
"""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from bench.ground import ground
from bench.rounds import medians
from bench.sending import flood, signed
from bench.serving import RECEIVER, answer_of, console, served
from bench.stream import bodies
from bench.working import fill, opened_mailboxes, worker
from tests.support.servers import processes_under, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.ground import Ground

WAITING = 20_000
LARGE_BYTES = 4_096
CUSTOMERS = 10_000
"""Few enough customers for a tenth of a million events to have all kinds: a stream begins with the events that create its objects."""
TOGETHER = 20_000
QUIET_SECONDS = 300
PAGES = (
    "/console",
    "/console/waiting",
    "/console/letters",
    "/console/activity",
    "/console/system",
    "/metrics",
)
ASKED_TIMES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    medians(lambda: one_round(arguments.events), rounds=arguments.rounds)


def one_round(events: int) -> dict[str, float]:
    """Bytes an event, and MB of both processes at a tenth and at the end."""
    with ground() as servers:
        per_event = bytes_waiting(servers)
    with ground() as servers:
        (receiver, worker_, _), (receiver_then, worker_then, serving) = sizes(servers, events)
        with console(servers, servers.postgres.url) as pages:
            for page in PAGES * ASKED_TIMES:
                answer_of(pages.port, page)
            pages_mb = resident_mb(pages.process.pid)
    return {
        "redis_bytes_per_event": per_event,
        "receiver_mb_at_a_tenth": receiver,
        "receiver_mb": receiver_then,
        "receiver_process_mb": serving,
        "console_mb": pages_mb,
        "receiver_growth": receiver_then / receiver - 1,
        "worker_mb_at_a_tenth": worker_,
        "worker_mb": worker_then,
        "worker_growth": worker_then / worker_ - 1,
    }


def bytes_waiting(servers: Ground) -> float:
    """Bytes of Redis's memory for each large event that waits."""
    large = (body for body in bodies(3 * WAITING, customers=2 * WAITING) if len(body) > LARGE_BYTES)
    with opened_mailboxes(servers) as mailboxes, redis.Redis.from_url(servers.valkey.url) as client:
        before = client.info("memory")["used_memory"]
        fill(mailboxes, islice(large, WAITING))
        return float(client.info("memory")["used_memory"] - before) / mailboxes.status().waiting


def sizes(servers: Ground, events: int) -> list[tuple[float, float, float]]:
    """MB of the receiver, of the worker, and of the receiver's process that serves, after a tenth of the events and after all."""
    with worker(servers) as working, served(RECEIVER, servers) as server:
        return [
            (
                resident_mb(server.process.pid),
                resident_mb(working.pid),
                _resident_kb(processes_under(server.process.pid)[-1]) / 1024,
            )
            for sent in send_all(server.port, servers, events)
            if sent in (events // 10, events)
        ]


def send_all(port: int, servers: Ground, events: int) -> Iterator[int]:
    """Send all events, a tenth at most at a time, and tell how many have been sent and settled."""
    tenth, stream = events // 10, bodies(events, customers=CUSTOMERS)
    together = tenth // ceil(tenth / TOGETHER)
    with opened_mailboxes(servers) as mailboxes:
        for sent in range(together, events + 1, together):
            flood(port, signed(islice(stream, together)))
            wait_until(lambda: mailboxes.status().waiting == 0, what="empty mailboxes", seconds=QUIET_SECONDS)
            print(f"{sent:,} of {events:,} events", end="\r", file=sys.stderr, flush=True)
            yield sent


def resident_mb(pid: int) -> float:
    """Resident memory of a process and its descendants."""
    return sum(_resident_kb(one) for one in processes_under(pid)) / 1024


def _resident_kb(pid: int) -> int:
    status = (Path("/proc") / str(pid) / "status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


if __name__ == "__main__":
    main()
