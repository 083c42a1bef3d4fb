"""The tables of docs/scaling.md, one function each, from what was measured and simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import capacity
from bench.capacity import BUSY_SHARE, ONE_RECEIVER, USUAL_CREW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.capacity import Results

BASE = 10
TIMES = "\N{MULTIPLICATION SIGN}"
LONE_LOOP, MORE_LOOPS = "1 worker, 1 loop", ("1 worker, 2 loops", "1 worker, 4 loops")
SERVERS = ("worker", "valkey", "postgres")


def blocks(results: Results) -> Iterator[tuple[str, str]]:
    """The name and the Markdown of every block."""
    makers = {
        "machine": measured_on,
        "costs": costs,
        "crews": crews,
        "receivers": receivers,
        "batches": batches,
        "shards": shards,
        "bytes": sizes,
        "growth": growth,
        "capacity": capacity.table,
        "times": times,
        "disks": disks,
        "checked": checked,
    }
    for name, maker in makers.items():
        yield name, "\n".join(maker(results))


def measured_on(results: Results) -> Iterator[str]:
    where = results["machine"]
    yield f"Measured on {where['cpu']}, {where['system']}, Python {where['python']}, with the embedded PostgreSQL and Valkey,"
    yield f"`redis_fsync`, ledger on. There a sync of Redis's file took {results['steps']['sync'] / 1000:.1f} ms, one of Postgres's"
    yield f"{results['steps']['commit'] / 1000:.1f} ms."


def costs(results: Results) -> Iterator[str]:
    us = capacity.spent(results)
    whole = {
        "receiver process": us.receiver,
        "worker process": us.worker,
        "Redis": us.redis,
        "Postgres": us.postgres,
    }
    yield from header("resource", "µs an event", f"events/s of a core that is {BUSY_SHARE:.0%} busy", left=1)
    for name, one in whole.items():
        yield row(name, f"{one:.0f}", f"{BUSY_SHARE / one * 1e6:,.0f}")


def crews(results: Results) -> Iterator[str]:
    usual = results["crews"][USUAL_CREW]
    yield from header("at work", "worker", "Redis", "Postgres", "WAL", "connections", left=1)
    for name, found in {**results["crews"], **results["apart"]}.items():
        spent = (
            f"{found[f'{one}_us']:.0f} µs ({TIMES} {found[f'{one}_us'] / usual[f'{one}_us']:.2f})"
            for one in SERVERS
        )
        yield row(name, *spent, f"{found['wal_bytes']:.0f} B", f"{found['connections']:.0f}")


def receivers(results: Results) -> Iterator[str]:
    yield from header("receiver processes", "receiver", "Redis", "Redis's file")
    for number, found in results["receivers"].items():
        yield row(
            number,
            f"{found['receiver_us']:.0f} µs",
            f"{found['valkey_us']:.0f} µs",
            f"{found['aof_bytes']:.0f} B",
        )


def batches(results: Results) -> Iterator[str]:
    yield from header("`BATCH_EVENTS`", "worker", "Redis", "Postgres", "WAL")
    for size, found in sorted(results["batches"].items(), key=lambda item: int(item[0])):
        yield row(
            f"{int(size):,}",
            *(f"{found[f'{one}_us']:.0f} µs" for one in SERVERS),
            f"{found['wal_bytes']:.0f} B",
        )


def shards(results: Results) -> Iterator[str]:
    us = results["shards"]
    alone = us["shards_1_valkey"]

    def growth(busiest: float) -> tuple[str, str]:
        return f"{busiest:.0f} µs", f"{BUSY_SHARE / busiest * 1e6:,.0f} ({TIMES} {alone / busiest:.1f})"

    yield from header(
        *("`MAILBOX_SHARDS`", "client", "Redis", "busiest instance"),
        f"events/s where that one is {BUSY_SHARE:.0%} busy",
        left=1,
    )
    for number in (1, 4, 12):
        redis = us[f"shards_{number}_valkey"]
        client = us[f"shards_{number}_ours"]
        yield row(f"{number}, on one Valkey", f"{client:.0f} µs", f"{redis:.0f} µs", *growth(redis))
    for masters, name in ((3, "three"), (6, "six")):
        whole = us[f"cluster_{masters}_valkey"]
        yield row(
            f"12, on a cluster of {name}",
            f"{us[f'cluster_{masters}_ours']:.0f} µs",
            f"{whole:.0f} µs",
            *growth(whole * us[f"cluster_{masters}_busiest_share"]),
        )


def sizes(results: Results) -> Iterator[str]:
    wire, disk = results["wire"], results["disk"]
    received, drained = results["receivers"][ONE_RECEIVER], results["crews"][USUAL_CREW]
    yield from header("what", "bytes an event", left=1)
    yield row("webhook and answer", f"{wire['http_bytes']:,.0f}")
    yield row("receiver and Redis", f"{wire['receiver_redis_bytes']:,.0f}")
    yield row("Redis and worker", f"{wire['worker_redis_bytes']:,.0f}")
    yield row("worker and Postgres", f"{wire['worker_postgres_bytes']:,.0f}")
    yield row(
        "Redis's append-only file, until it is rewritten",
        f"{received['aof_bytes'] + drained['aof_bytes']:,.0f}",
    )
    yield row("Postgres's WAL", f"{drained['wal_bytes']:,.0f}")
    yield row("a row of the ledger, kept for 35 days", f"{disk['ledger']:,.0f}")
    yield row("a user's row, kept", f"{disk['users']:,.0f}")
    yield row("a subscription's row, kept", f"{disk['subscriptions']:,.0f}")


def growth(results: Results) -> Iterator[str]:
    found = results["growth"]
    yield from header("what is there already", "events/s of one worker", "over the first", left=1)
    for prefix, what in (
        ("backlog_", "events waiting"),
        ("users_", "users, a subscription and five rows of ledger each"),
    ):
        rates = points(
            {
                name.split("_")[1]: rate
                for name, rate in found.items()
                if name.startswith(prefix) and "per_s" in name
            }
        )
        for size, rate in rates:
            yield row(f"{size:,.0f} {what}", f"{rate:,.0f}", f"{TIMES} {rate / rates[0][1]:.2f}")


def disks(results: Results) -> Iterator[str]:
    yield from header("a sync takes", "answered (p50, p99)", "settled (p50, p99)", "Redis's core busy")
    for ms, found in sorted(results["simulated"]["disks"].items(), key=lambda item: float(item[0])):
        yield row(f"{ms} ms", *waits(found), f"{found['busy_redis']:.0%}")


def waits(found: Mapping[str, float]) -> Iterator[str]:
    """Median and 99th percentile of answering and of settling."""
    return (f"{found[f'{one}_p50_ms']:.0f}, {found[f'{one}_p99_ms']:.0f} ms" for one in ("ack", "lag"))


def checked(results: Results) -> Iterator[str]:
    measured, simulated = results["crews"], results["simulated"]["drains"]
    yield from header("what", "measured", "simulated", left=1)
    for name in MORE_LOOPS:
        ours = measured[name]["per_s"] / measured[LONE_LOOP]["per_s"]
        theirs = simulated[name] / simulated[LONE_LOOP]
        yield row(f"rate of {name}, over that of one loop", f"{TIMES} {ours:.2f}", f"{TIMES} {theirs:.2f}")
    for rate, found in sorted(results["answers"].items(), key=lambda item: int(item[0])):
        simulated = results["simulated"]["answers_at"][rate]
        for part in ("p50", "p99"):
            ours = f"{simulated[f'ack_{part}_ms']:.1f} ms"
            yield row(f"answers at {rate} events/s, {part}", f"{found[f'{part}_ms']:.1f} ms", ours)


def times(results: Results) -> Iterator[str]:
    yield from header(
        "load",
        "events/s",
        "receivers",
        "workers",
        "Redis",
        "Postgres cores",
        "answered (p50, p99)",
        "settled (p50, p99)",
        "busiest",
    )
    for load, found in sorted(results["simulated"]["times"].items(), key=lambda item: int(item[0])):
        busy = {name.removeprefix("busy_"): share for name, share in found.items() if name.startswith("busy")}
        busiest = max(busy, key=lambda name: busy[name])
        size = (f"{found[one]:,}" for one in ("receivers", "workers", "redis", "postgres_cores"))
        yield row(
            f"{TIMES} {int(load):,}",
            f"{BASE * int(load):,}",
            *size,
            *waits(found),
            f"{busiest}, {busy[busiest]:.0%}",
        )


def header(*names: str, left: int = 0) -> Iterator[str]:
    """The first two lines of a table; the first `left` columns are words, the others numbers."""
    yield row(*names)
    yield row(*("---" if place < left else "---:" for place, _ in enumerate(names)))


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def points(curve: Mapping[str, float]) -> list[tuple[float, float]]:
    """A curve as its points."""
    return sorted((float(rate), ms) for rate, ms in curve.items())
