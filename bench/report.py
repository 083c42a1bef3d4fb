"""docs/benchmarks.md and its pictures, made from what the benchmarks printed.

    .venv/bin/python -m bench.report   # write them again from docs/benchmarks/results.json

`python -m bench --full --save` measures and keeps the figures first. A test holds the page to them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.charts import Axis, lines, stacks
from bench.compared import results as compared
from bench.machine import machine

FOLDER = Path(__file__).parent.parent / "docs" / "benchmarks"
RESULTS = FOLDER / "results.json"
PAGE = FOLDER.with_suffix(".md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One line of the table: a figure of a benchmark, and its aim."""

    what: str
    figure: tuple[str, str]
    bound: float
    aim: float
    unit: str = ""
    less_is_better: bool = False

    def is_met(self, value: float) -> bool:
        """Say whether a figure is good enough."""
        return value == self.bound or (value < self.bound) is self.less_is_better

    def line(self, value: float, rounds: Sequence[float] = ()) -> str:
        """A row of Markdown; `rounds` are the values that `value` is the median of."""
        sign = "≤" if self.less_is_better else "≥"
        met = "yes" if self.is_met(value) else "**no**"
        figures = (
            f"{sign} {self.bound:g}{self.unit}",
            f"{self.aim:g}{self.unit}",
            f"{_figure(value)}{self.unit}{_spread(rounds)}",
            met,
        )
        return f"| {self.what} | `bench.{self.figure[0]}` | {' | '.join(figures)} |"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _spread(rounds: Sequence[float]) -> str:
    return f" ({min(rounds):.3g} to {max(rounds):.3g}, {len(rounds)} rounds)" if len(rounds) > 1 else ""


WHAT_LIMITS = """\
The rate of events accepted while a worker applies them is limited by the processor time of all processes on two cores. Of 343 to 391 µs an event the receiver
takes 113 to 133, the worker 82 to 94, the load generator 57 to 64, Valkey 49 to 55 and Postgres 40 to 46; the rest of the cores' time
is waiting for the disk. These were tried and did not help: a lower priority for the worker, two processes of the receiver (a fifth less), three or
four puts at a time, a shorter switch interval of the interpreter, batches of 1,000 (3 % less in all), other levels of compression, larger
caches of malloc. Decisions 24 to 28 have what did help. If other programs keep a shared machine busy the ratio varies:
medians of other runs on the same day were 3.3, 3.7 and 3.9. [Decision 62](decisions/0062-what-an-accepted-event-need-not-cost.md) has since reduced
the receiver's part by a sixteenth (in one process, without sockets, in turn with the commit before it), and says where the rest goes.

A worker takes 82 MB after 1,000,000 events; it took 94 with Celery's command line around it ([decision 63](decisions/0063-no-process-loads-a-command-line.md)), and before that 125 after 40,000. An object of a backfill with the budget lifted took 246 µs of the backfill's processor time and 81 of
Postgres's, instead of 395 and 101 before (one pair of runs each way, 10,000 customers, on cores that other programs kept busy: [decision 61](decisions/0061-what-a-backfill-and-a-worker-need-not-do.md)).

The columns for reports (decision 51) cost 12 µs of 272 an event, 4 %: writing takes 78 µs instead of 70, the rest is reading (medians of seven,
`bench.costs` in turn with the commit before, on otherwise idle cores). Keeping whole objects (`KEEP_OBJECTS`, off by default) costs 113 µs more, 52 in the worker and 58 in Postgres: an
event takes 394 instead of 281 (medians of five, `bench.costs --keep-objects` in turn with `bench.costs`).

With many customers, the first tenth of a stream only creates customers and subscriptions, and the worker grows until it has seen every kind of
event. So the growth of memory is measured with a stream over 10,000 customers, which has all kinds within the first tenth."""

MISSED = """\
## Where an aim is missed

**Over `@stripe/sync-engine` with 100,000 subscriptions there.** The engine reads all items for each event of a subscription, which limits it to 108 events a second here. This project's own rate falls to 0.82 of that with
empty tables: a round is 10,000 events, three to four seconds, and `bench.growth` finds no fall with 1,000,000 users and 5,000,000 rows of ledger. Forty times the engine's rate would be 4,320 events a second, more than the 3,575 with empty tables.

**2xx to visible row.** Of 9.4 ms (medians of 100 events) 3.9 pass until Celery runs the task, the same as for a task that does nothing. Then 0.2 until the claim, 1.5 for the claim with its sync, 0.5 for decoding, 0.4 for `BEGIN`, 2.4 for six statements
one after the other (a new customer has needed five since: 9.2 ms), 0.4 for the commit; the row is seen 0.3 later. asyncpg sends one statement at a time, and each needs the locks or results of the one before. A claim is on disk before its events are processed, otherwise a crash of Redis could give the same customer to two workers. A wake-up without Celery
could save at most those 3.9 ms; it would be a second way to do what Celery does here, and would have to know each master of a cluster, so it was not built. On the previous machine the ratio was 2.19.

**99th percentile over a bare application's.** The bare application answers from memory; an answer here waits for a put and its sync, and for the put before it. Its median is 2.8 ms at that load, and a burst of another program on the same cores takes longer than either: rounds of one run are between 0.2 and 5.5.

**Drain over a bare program.** The worker takes 125 µs of processor time an event in this run. Its additional work: claims and acknowledgements in Redis, checking and ordering the event, the outcome in the ledger. Rounds of one run are between 0.75 and 0.90.

**Out of 1,000,000 waiting events.** Rounds are on both sides of the aim: 0.87, 0.91 and 1.0. A claim reads the head of a queue, however long it is; only Redis's memory grows with it.

**A receiver's process.** 64.0 and 65.9 MB in two runs of a million events, 61.4 at rest after the start in both. 57.0 in a third, whose receiver read its settings without pydantic; why pydantic stays is in [decision 63](decisions/0063-no-process-loads-a-command-line.md).
"""

CONSOLE = """\
## The console's pages

Made by `python -m bench.console`, over {events:,} ledger rows of 35 days, {letters:,} dead letters, half of them of one cause, and {waiting:,}
waiting customers in every state; one operation handled all letters, and a hundredth of them changed since the last vacuum. Median and
longest of {repeats} answers, on two cores under a load of {load:g}, with a low priority. Processor time is that of the page, PostgreSQL and Valkey together, and
so the time of an answer on an idle machine. A page may take 100 ms of it, and block Valkey for 5 ms. [Plans](benchmarks/console-plans.md) of every
statement.
"""

TARGETS = (
    Target(
        what="accepted events/s over those of @supabase/stripe-sync-engine, while a worker applies them",
        figure=("compared", "accepted_over_supabase"),
        bound=4,
        aim=5,
    ),
    Target(
        what="applied events/s over those of the same, every row checked",
        figure=("compared", "applied_over_supabase"),
        bound=3.8,
        aim=4.5,
    ),
    Target(
        what="accepted events/s over those of @stripe/sync-engine",
        figure=("compared", "accepted_over_stripe"),
        bound=5.5,
        aim=7,
    ),
    Target(
        what="applied events/s over those of the same, every row checked",
        figure=("compared", "applied_over_stripe"),
        bound=5.2,
        aim=6,
    ),
    Target(
        what="the same with 100,000 subscriptions there before",
        figure=("compared", "applied_over_stripe_when_full"),
        bound=40,
        aim=60,
    ),
    Target(
        what="drain rate of a worker over a bare program that writes the same rows in the same batches",
        figure=("drain", "ratio"),
        bound=0.85,
        aim=0.9,
    ),
    Target(
        what="accepted events/s over a Flask view that only reads the body, on the same server",
        figure=("receiver", "accepted_over_flask"),
        bound=0.55,
        aim=0.75,
    ),
    Target(
        what="99th percentile of answers at half the highest rate, over that view's",
        figure=("receiver", "p99_over_flask"),
        bound=2.5,
        aim=1.5,
        less_is_better=True,
    ),
    Target(
        what="the same over that of a bare ASGI application",
        figure=("receiver", "p99_over_bare"),
        bound=1.5,
        aim=1.2,
        less_is_better=True,
    ),
    Target(
        what="99th percentile of answers while Postgres is stopped, over the same while it runs",
        figure=("receiver", "p99_stopped_over_running"),
        bound=1.1,
        aim=1,
        less_is_better=True,
    ),
    Target(
        what="2xx to visible row when idle, over publish to run of a Celery task that does nothing (medians)",
        figure=("freshness", "ratio"),
        bound=2,
        aim=1.5,
        less_is_better=True,
    ),
    Target(
        what="memory of Redis for each waiting event of 4 to 5 KB",
        figure=("memory", "redis_bytes_per_event"),
        bound=2560,
        aim=1536,
        unit=" B",
        less_is_better=True,
    ),
    Target(
        what="objects a second of a backfill with the budget lifted",
        figure=("backfill", "objects_a_second"),
        bound=4000,
        aim=6000,
    ),
    *(
        Target(what=what, figure=("memory", figure), bound=bound, aim=aim, unit=" MB", less_is_better=True)
        for what, figure, bound, aim in (
            ("resident memory of a receiver's process", "receiver_process_mb", 65, 55),
            ("of a worker", "worker_mb", 95, 80),
            ("of the console when its pages have been asked for", "console_mb", 120, 90),
        )
    ),
    Target(
        what="growth of the receiver's memory from 100,000 to 1,000,000 events",
        figure=("memory", "receiver_growth"),
        bound=0.05,
        aim=0,
        less_is_better=True,
    ),
    Target(
        what="growth of the worker's memory from 100,000 to 1,000,000 events",
        figure=("memory", "worker_growth"),
        bound=0.05,
        aim=0,
        less_is_better=True,
    ),
    Target(
        what="drain rate out of 1,000,000 waiting events over that out of 10,000",
        figure=("growth", "backlog_ratio"),
        bound=0.92,
        aim=0.97,
    ),
    Target(
        what="drain rate into 1,000,000 users and 5,000,000 rows of ledger over that into empty tables",
        figure=("growth", "tables_ratio"),
        bound=0.7,
        aim=0.9,
    ),
)

Results = Mapping[str, Mapping[str, Any]]


def main() -> None:
    write(kept())


def kept() -> Results:
    """The figures that were kept, those of bench/compared among them."""
    own = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return own | {"compared": compared.ratios(compared.kept())}


def save(figures: Results) -> None:
    """Keep the figures of benchmarks that ran, beside those of the others, and write the page."""
    before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results = {**before, **figures, "machine": machine()}
    FOLDER.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    write(kept())


def write(results: Results) -> None:
    """Write the page and its pictures."""
    PAGE.write_text(page(results), encoding="utf-8")
    for name, picture in pictures(results):
        (FOLDER / name).write_text(picture, encoding="utf-8")


def page(results: Results) -> str:
    """The page as Markdown."""
    where = results["machine"]
    return "\n".join(
        (
            "# Benchmarks",
            "",
            "Made by `python -m bench --full --save`; every line names a command that you can run again. Ratios come first: each is from one",
            "run on one machine, a median of several rounds. Absolute figures change from machine to machine.",
            "",
            f"Measured on {where['cpu']}, {where['system']}, Python {where['python']}, the embedded PostgreSQL and Valkey, ack level",
            "`redis_fsync`, ledger on. Load generator, receiver, worker and both servers share the cores.",
            "",
            "| what | command | wanted | aim | measured | met |",
            "| --- | --- | --- | --- | --- | --- |",
            *(_line(results, target) for target in TARGETS if target.figure[0] in results),
            "",
            f"{WHAT_LIMITS}\n",
            *_pictured(results),
            MISSED,
            *(_pages(results["console"]) if "console" in results else ()),
        )
    )


def pictures(results: Results) -> Iterator[tuple[str, str]]:
    """Every picture's file and SVG."""
    if "growth" in results:
        yield (
            "backlog.svg",
            _rates(results["growth"], "backlog_", "events waiting", "Drain rate over backlog"),
        )
        yield (
            "tables.svg",
            _rates(results["growth"], "users_", "users in the tables", "Drain rate over table size"),
        )
    if "receiver" in results:
        yield "answers.svg", _answers(results["receiver"])
    if "costs" in results:
        yield "costs.svg", stacks("CPU time of one event", "µs", results["costs"])


def _line(results: Results, target: Target) -> str:
    benchmark, figure = target.figure
    rounds = [one[figure] for one in results[benchmark].get("rounds", ())]
    return target.line(_value(results, target), rounds)


def _value(results: Mapping[str, Mapping[str, Any]], target: Target) -> float:
    benchmark, figure = target.figure
    value: float = results[benchmark][figure]
    return value


def _pictured(results: Results) -> Iterator[str]:
    for name, picture in pictures(results):
        title = picture.partition('aria-label="')[2].partition('"')[0]
        yield f"![{title}](benchmarks/{name})\n"


def _pages(console: Mapping[str, Any]) -> Iterator[str]:
    """The console's pages, each with what it took."""
    yield CONSOLE.format(**console)
    yield "| page | processor time | median | longest | of Redis at once |"
    yield "| --- | --- | --- | --- | --- |"
    for page, figures in console["pages"].items():
        times = (figures[name] for name in ("cpu_ms", "median_ms", "most_ms", "redis_ms"))
        yield f"| `{page}` | {' | '.join(f'{one:g} ms' for one in times)} |"
    yield ""


def _rates(figures: Mapping[str, float], prefix: str, label: str, title: str) -> str:
    sizes = {
        int(name.removeprefix(prefix).removesuffix("_per_s")): rate
        for name, rate in figures.items()
        if name.startswith(prefix) and name.endswith("_per_s")
    }
    axis = Axis(label, logarithmic=min(sizes) > 0)
    return lines(title, axis, Axis("events/s"), {"one worker": sorted(sizes.items())})


def _answers(figures: Mapping[str, float]) -> str:
    series = {
        name: [
            (float(figure.rpartition("_")[2].removesuffix("%")), value)
            for figure, value in figures.items()
            if figure.startswith(f"{name}_ms_at_")
        ]
        for name in ("p50", "p99")
    }
    return lines("Time of an answer over load", Axis("% of the highest rate"), Axis("ms"), series)


if __name__ == "__main__":
    main()
