"""Synchronous wrappers of asynchronous classes, for tests and benchmarks: each method runs on this process's loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from cogento import runtime
from cogento.queue.circuit import Circuit
from cogento.queue.fence import FenceNotes
from cogento.queue.figures import TablesKeeper
from cogento.queue.inspection import Inspection
from cogento.queue.mailboxes import Mailboxes
from cogento.queue.minutes import MinutesKeeper
from cogento.queue.rate_limiter import KeyRefusal, RateLimiter
from cogento.queue.search import EventSearch
from cogento.queue.shard_move import ShardMove
from cogento.queue.worker_registry import WorkerRegistry
from cogento.reconcile.reconciliation import Reconciliation
from tests.support.fake_redis import client_on

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import redis

    from cogento.queue.circuit import Dependency

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")


class Looped(Protocol[S]):
    """A synchronous wrapper of an asynchronous object."""

    looped: S


def looped(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Looped[S], P], T]:
    """Return the same method for callers without a loop."""

    def run(self: Looped[S], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return runtime.run(method(self.looped, *args, **kwargs))

    return run


class LoopedWorkers:
    """A WorkerRegistry for callers without a loop."""

    def __init__(self, workers: WorkerRegistry) -> None:
        self.looped = workers

    beat = looped(WorkerRegistry.beat)
    unregister = looped(WorkerRegistry.unregister)
    seen = looped(WorkerRegistry.seen)
    delays = looped(WorkerRegistry.delays)


class LoopedFenceNotes:
    """FenceNotes for callers without a loop."""

    def __init__(self, notes: FenceNotes) -> None:
        self.looped = notes

    note = looped(FenceNotes.note)
    everything_kept_out = looped(FenceNotes.everything_kept_out)
    read = looped(FenceNotes.read)


class LoopedKeyRefusal:
    """A KeyRefusal for callers without a loop."""

    def __init__(self, refusal: KeyRefusal) -> None:
        self.looped = refusal

    is_recent = looped(KeyRefusal.is_recent)


class LoopedTables:
    """A TablesKeeper for callers without a loop."""

    def __init__(self, tables: TablesKeeper) -> None:
        self.looped = tables

    begin = looped(TablesKeeper.begin)
    keep = looped(TablesKeeper.keep)
    kept = looped(TablesKeeper.kept)


class LoopedMinutes:
    """A MinutesKeeper for callers without a loop."""

    def __init__(self, minutes: MinutesKeeper) -> None:
        self.looped = minutes

    keep = looped(MinutesKeeper.keep)
    kept = looped(MinutesKeeper.kept)


class LoopedSearch:
    """An EventSearch for callers without a loop."""

    def __init__(self, search: EventSearch) -> None:
        self.looped = search

    bodies = looped(EventSearch.bodies)
    find = looped(EventSearch.find)


class LoopedCircuit:
    """A Circuit for callers without a loop."""

    def __init__(self, circuit: Circuit) -> None:
        self.looped = circuit

    now_ms = looped(Circuit.now_ms)
    ask = looped(Circuit.ask)
    failed = looped(Circuit.failed)
    probed = looped(Circuit.probed)
    read = looped(Circuit.read)


class LoopedInspection:
    """An Inspection for callers without a loop."""

    def __init__(self, inspection: Inspection) -> None:
        self.looped = inspection

    run = looped(Inspection.run)


class LoopedShardMove:
    """A ShardMove for callers without a loop."""

    def __init__(self, move: ShardMove) -> None:
        self.looped = move

    run = looped(ShardMove.run)
    count = looped(ShardMove.count)


class LoopedRateLimiter:
    """A RateLimiter for callers without a loop."""

    def __init__(self, limiter: RateLimiter) -> None:
        self.looped = limiter

    reserve = looped(RateLimiter.reserve)
    slow_down = looped(RateLimiter.slow_down)
    block_for = looped(RateLimiter.block_for)
    current_rate = looped(RateLimiter.current_rate)
    close = looped(RateLimiter.close)


class LoopedReconciliation:
    """A Reconciliation for callers without a loop."""

    def __init__(self, reconciliation: Reconciliation) -> None:
        self.looped = reconciliation

    ask = looped(Reconciliation.ask)
    sweep_if_due = looped(Reconciliation.sweep_if_due)
    sweep = looped(Reconciliation.sweep)
    backfill = looped(Reconciliation.backfill)
    verify = looped(Reconciliation.verify)
    verify_customer = looped(Reconciliation.verify_customer)
    record = looped(Reconciliation.record)
    standing = looped(Reconciliation.standing)
    close = looped(Reconciliation.close)


class LoopedMailboxes:
    """Mailboxes for callers without a loop; `looped` are the wrapped ones, for coroutines of that loop."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self.looped = mailboxes
        self.workers = LoopedWorkers(mailboxes.workers)
        self.fence_notes = LoopedFenceNotes(mailboxes.fence_notes)
        self.key_refusal = LoopedKeyRefusal(mailboxes.key_refusal)
        self.tables = LoopedTables(mailboxes.tables)
        self.minutes = LoopedMinutes(mailboxes.minutes)
        self.search = LoopedSearch(mailboxes.search)

    @classmethod
    def connect(cls, url: str, **options: Any) -> LoopedMailboxes:
        """As Mailboxes.connect."""
        return cls(Mailboxes.connect(url, **options))

    @classmethod
    def on(cls, client: redis.Redis, **options: Any) -> LoopedMailboxes:
        """Make mailboxes on the server of a synchronous client, real or fake."""
        return cls(Mailboxes(client_on(client), **options))

    def of_account(self, account: str) -> LoopedMailboxes:
        """As Mailboxes.of_account."""
        return LoopedMailboxes(self.looped.of_account(account))

    def circuit(self, dependency: Dependency) -> LoopedCircuit:
        """As Mailboxes.circuit."""
        return LoopedCircuit(self.looped.circuit(dependency))

    def inspection(self, *, lease_seconds: float) -> LoopedInspection:
        """As Mailboxes.inspection."""
        return LoopedInspection(self.looped.inspection(lease_seconds=lease_seconds))

    def shard_move(self) -> LoopedShardMove:
        """As Mailboxes.shard_move."""
        return LoopedShardMove(self.looped.shard_move())

    check = looped(Mailboxes.check)
    check_at_start = looped(Mailboxes.check_at_start)
    ping_write = looped(Mailboxes.ping_write)
    now_ms = looped(Mailboxes.now_ms)
    open_circuits = looped(Mailboxes.open_circuits)
    put = looped(Mailboxes.put)
    claim = looped(Mailboxes.claim)
    renew = looped(Mailboxes.renew)
    settle = looped(Mailboxes.settle)
    release = looped(Mailboxes.release)
    replay = looped(Mailboxes.replay)
    pause = looped(Mailboxes.pause)
    resume = looped(Mailboxes.resume)
    paused = looped(Mailboxes.paused)
    pause_of_everything = looped(Mailboxes.pause_of_everything)
    waiting = looped(Mailboxes.waiting)
    parked_customers = looped(Mailboxes.parked_customers)
    remove = looped(Mailboxes.remove)
    forget = looped(Mailboxes.forget)
    status = looped(Mailboxes.status)
    waits_longest = looped(Mailboxes.waits_longest)
    view = looped(Mailboxes.view)
    find = looped(Mailboxes.find)
    close = looped(Mailboxes.close)
