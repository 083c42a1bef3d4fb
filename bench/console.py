"""How long each page of the console takes over large tables, and by which plans Postgres answers it.

    .venv/bin/python -m bench.console
    .venv/bin/python -m bench.console --share 0.1
    .venv/bin/python -m bench.console --keep /var/tmp/console --only letters

Fills 1,000,000 ledger rows of 35 days, 100,000 dead letters and 100,000 waiting customers, and asks for every page
several times, through Flask's test client. A page may take LIMIT_MS, and none of its commands may block Redis for longer than
REDIS_LIMIT_MS; the exit code says whether all pages kept to that. Plans go to docs/benchmarks/console-plans.md with --save.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import redis

from bench.console_data import ALL_LETTERS, Sizes, fill, is_filled, note_filled, put, scaled
from bench.ground import ground
from cogento import runtime
from cogento.console.web.access import LocalAccess
from cogento.console.web.composition import Exposure, compose
from cogento.settings import ConsoleSettings, load
from cogento.store.connecting import connect, connect_plainly
from cogento.store.database import Database
from tests.support.servers import processes_under

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

LIMIT_MS = 100
REDIS_LIMIT_MS = 5
REPEATS = 7
PLANS = Path(__file__).parent.parent / "docs" / "benchmarks" / "console-plans.md"
NEWEST_LETTER = "SELECT max(id) FROM dead_letters WHERE status = 'open'"

PAGES = (
    "/console",
    "/console/waiting",
    "/console/waiting?state=queued",
    "/console/waiting?state=paused",
    "/console/waiting?state=retrying",
    "/console/waiting?state=waiting_for_customer",
    "/console/waiting?customer=cus_5",
    "/console/letters",
    "/console/letters?status=all",
    "/console/letters?status=resolved",
    "/console/letters?status=discarded",
    "/console/letters?fingerprint={fingerprint}",
    "/console/letters?status=all&fingerprint={fingerprint}&below={middle}",
    "/console/letters?customer=cus_5",
    "/console/letters?reason=bug&newer=12h",
    "/console/letters?text=evt_dead_77",
    "/console/letters?text=nowhere",
    "/console/letters?removals=1",
    "/console/letters?status=all&operation={operation}",
    "/console/letters/retry",
    "/console/letters/retry?fingerprint={fingerprint}",
    "/console/letters/retry?text=evt_dead_77",
    "/console/letters/{letter}",
    "/console/operations",
    "/console/operations/{operation}",
    "/console/operations/8",
    "/console/customers/cus_5",
    "/console/customers/cus_1",
    "/console/customers/cus_1?object=sub_1&changes=1",
    "/console/customers/cus_1?below=evt_{events_half}",
    "/console/customers/cus_5?event=evt_4",
    "/console/explain?id=user5@example.com",
    "/console/explain?id=sub_nowhere",
    "/console/activity",
    "/console/activity?who=ops-3",
    "/console/activity?who=ops-rare",
    "/console/activity?who=nobody",
    "/console/activity?who=worker",
    "/console/activity?action=forget",
    "/console/activity?about=cus_77",
    "/console/system",
    "/metrics",
)
POLL = "(the poller, once a second)"


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement that a page sent, with its parameters."""

    statement: str
    parameters: tuple[object, ...]
    milliseconds: float

    @property
    def purpose(self) -> str:
        """What the statement's first line says."""
        return self.statement.lstrip("- \n").split("\n")[0]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a page took, its median and its longest.

    `cpu_ms` is the processor time of page, Postgres and Redis together, the smallest of all answers: the time on an idle
    machine. `redis_ms` is for how long its longest command blocks Redis.
    """

    page: str
    status: int
    median_ms: float
    most_ms: float
    cpu_ms: float
    redis_ms: float
    asked: Sequence[Asked] = field(repr=False)

    @property
    def is_over(self) -> bool:
        """Whether it took too long, also on an idle machine."""
        return min(self.median_ms, self.cpu_ms) > LIMIT_MS or self.redis_ms > REDIS_LIMIT_MS

    def figures(self) -> dict[str, object]:
        """What is kept of it."""
        rounded = {name: round(getattr(self, name), 1) for name in ("median_ms", "most_ms", "cpu_ms")}
        return {**rounded, "redis_ms": round(self.redis_ms, 2), "statements": len(self.asked)}


class Console:
    """The pages over one pair of servers."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self._database_url = database_url
        self._redis = redis.Redis.from_url(redis_url)
        self._redis.config_set("slowlog-log-slower-than", 0)
        self._redis.config_set("slowlog-max-len", 10_000)
        settings = load(ConsoleSettings, database_url=database_url, redis_url=redis_url)
        (console,) = compose([settings], Exposure(8001, LocalAccess()))
        self._client, self._poller = console.app.test_client(), console.poller

    def poll(self) -> int:
        """Run the poller once, which otherwise runs in a thread of its own."""
        self._poller.poll()
        return 200

    def measure(self, page: str, address: str) -> Measured:
        """Ask for a page several times."""
        return self._measure(page, lambda: self._client.get(address).status_code)

    def measure_poller(self) -> Measured:
        """Have the poller read several times."""
        return self._measure(POLL, self.poll)

    def _measure(self, page: str, ask: Callable[[], int]) -> Measured:
        asked: list[Asked] = []
        with _recorded(asked):
            status = ask()
        took, held, cpu = [], [], []
        for _ in range(REPEATS):
            self._redis.slowlog_reset()
            servers = processes_under(os.getpid())[1:]
            cpu_begun, begun = _cpu_of(servers), time.perf_counter()
            ask()
            took.append((time.perf_counter() - begun) * 1000)
            cpu.append(_cpu_of(servers) - cpu_begun)
            held.append(max((entry["duration"] for entry in self._redis.slowlog_get(10_000)), default=0))
        unique = list({one.statement: one for one in asked}.values())
        # The smallest time: on a busy machine Redis is interrupted in the middle of a command.
        return Measured(page, status, statistics.median(took), max(took), min(cpu), min(held) / 1000, unique)

    def plan(self, asked: Asked) -> list[str]:
        """Return a statement's plan, with the settings of the console's own connections."""
        return runtime.run(_explain(self._database_url, asked))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--share", type=float, default=1, help="of the full sizes")
    parser.add_argument(
        "--keep", type=Path, help="a folder for the servers' data, filled once; for runs of one day"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="pages whose address has this in it")
    parser.add_argument("--plans", action="store_true", help="print every plan whole")
    parser.add_argument("--save", action="store_true", help=f"write the plans to {PLANS.name}")
    arguments = parser.parse_args()
    sizes = scaled(arguments.share)
    kept: Path | None = arguments.keep
    is_ready = kept is not None and is_filled(kept, sizes)
    with ground(kept) as servers:
        database_url, redis_url = servers.postgres.url, servers.valkey.url
        if not is_ready:
            begun = time.monotonic()
            asyncio.run(fill(database_url, sizes))
            put(redis_url, sizes.waiting)
            if kept:
                note_filled(kept, sizes)
            print(f"filled in {time.monotonic() - begun:.0f} s: {sizes}")
        console = Console(database_url, redis_url)
        console.poll()
        named = asyncio.run(names(database_url, sizes))
        pages = {page: page.format(**named) for page in PAGES if arguments.only in page}
        load = os.getloadavg()[0]
        results = [console.measure(page, address) for page, address in pages.items()]
        if arguments.only in POLL:
            results.append(console.measure_poller())
        plans = {one.statement: console.plan(one) for result in results for one in result.asked}
    for result in results:
        tell(result, plans, whole=arguments.plans)
    over = [result.page for result in results if result.is_over]
    print(f"over {LIMIT_MS} ms, or {REDIS_LIMIT_MS} ms of Redis: {', '.join(over) or 'none'}")
    if arguments.save:
        PLANS.write_text(plans_page(results, plans), encoding="utf-8")
    figures = {result.page: result.figures() for result in results}
    kept_sizes = {"events": sizes.events, "letters": sizes.letters, "waiting": sizes.waiting}
    print(json.dumps({**kept_sizes, "repeats": REPEATS, "load": round(load, 1), "pages": figures}))
    return 1 if over else 0


async def names(database_url: str, sizes: Sizes) -> dict[str, object]:
    """Choose the ids and names in the pages' URLs."""
    connection = await connect_plainly(database_url, application_name="bench")
    letter = await connection.fetchval(NEWEST_LETTER)
    fingerprint = await connection.fetchval("SELECT fingerprint FROM dead_letters WHERE id = $1", letter)
    await connection.close()
    return {
        "letter": letter,
        "fingerprint": fingerprint,
        "middle": sizes.letters // 2,
        "events_half": sizes.events // 100 * 50,
        "operation": ALL_LETTERS,
    }


def tell(result: Measured, plans: Mapping[str, list[str]], *, whole: bool) -> None:
    """Print how long a page took, and the plans of its statements."""
    parts = (
        f"at most {result.most_ms:.1f}, {result.cpu_ms:.1f} of CPU, {result.redis_ms:.2f} of Redis at once"
    )
    print(f"{result.median_ms:6.1f} ms ({parts})  {result.status}  {result.page}")
    for one in result.asked:
        print(f"       {one.milliseconds:7.1f} ms  {one.purpose}")
        for line in plans[one.statement] if whole else summary(plans[one.statement]):
            print(f"                   {line}")


@contextmanager
def _recorded(asked: list[Asked]) -> Iterator[None]:
    """Record statements to Postgres, for the length of a block."""

    def noting(read: Callable[..., Awaitable[list[Any]]]) -> Callable[..., Awaitable[list[Any]]]:
        async def note(database: Database, statement: str, *parameters: object) -> list[Any]:
            begun = time.perf_counter()
            rows = await read(database, statement, *parameters)
            asked.append(Asked(statement, parameters, (time.perf_counter() - begun) * 1000))
            return rows

        return note

    with (
        patch.object(Database, "fetch", noting(Database.fetch)),
        patch.object(Database, "search", noting(Database.search)),
    ):
        yield


def _cpu_of(servers: Sequence[int]) -> float:
    """Processor time of this process and of these so far."""
    return time.process_time() * 1000 + sum(map(_cpu_ms, servers))


def _cpu_ms(pid: int) -> float:
    """Return the processor time of a process's threads and of its ended children; 0 for a process that has ended itself."""
    try:
        threads = [int(one.read_text().split()[0]) for one in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        gone = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[13:15]
    except OSError:
        return 0.0
    return sum(threads) / 1e6 + sum(map(int, gone)) * 1000 / os.sysconf("SC_CLK_TCK")


async def _explain(database_url: str, asked: Asked) -> list[str]:
    connection = await connect(database_url, application_name="bench")
    plan = f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS) {asked.statement}"
    lines = [row[0] for row in await connection.fetch(plan, *asked.parameters)]
    await connection.close()
    return lines


def summary(lines: Sequence[str]) -> list[str]:
    """Return each kind of scan in a plan, once for all of the ledger's days."""
    scans = [re.search(r"(?:Index|Bitmap Heap|Seq|Parallel).*?Scan.* on \w+", line) for line in lines]
    named = [re.sub(r"_?(p?)\d{8}\w*", "", scan[0]) for scan in scans if scan]
    return list(dict.fromkeys(named))


def _without_days(lines: Sequence[str]) -> list[str]:
    """Keep only the first of a plan's scans of the ledger's days, and drop the others with all lines below them."""
    kept: list[str] = []
    first_day = left_out = None
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if left_out is not None and depth > left_out:
            continue
        left_out = None
        if day := re.search(r"webhook_events_(\d{8}|default)", line):
            first_day = first_day or day[1]
            if day[1] != first_day:
                left_out = depth
                continue
        kept.append(line)
    return kept


def plans_page(results: Sequence[Measured], plans: Mapping[str, list[str]]) -> str:
    """Write every statement's plan under the first page that sent it, as Markdown."""
    lines, told = (
        ["# How the console's pages are read", "", "Made by `python -m bench.console --save`.", ""],
        set(),
    )
    for result in results:
        new = [one for one in result.asked if one.statement not in told]
        told |= {one.statement for one in new}
        lines += [f"## `{result.page}`", ""] if new else []
        for one in new:
            lines += [one.purpose, "", "```", *_without_days(plans[one.statement]), "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
