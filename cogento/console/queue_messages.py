"""What waits in Redis, why, and who works on it, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.console.formatting import ago, duration
from cogento.queue.status import MailboxState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.queue.circuit import OpenCircuit
    from cogento.queue.pauses import Pause
    from cogento.queue.shard_move import ShardCount
    from cogento.queue.status import Listed, MailboxView
    from cogento.queue.worker_registry import Workforce

AWAY = {
    "25006": "read-only",
    "42501": "a grant is missing",
    "42P01": "tables are missing",
    "42703": "the tables are older than the workers",
    "42883": "the tables are older than the workers",
    "53100": "its disk is full",
    "53300": "no connection is left",
    "57P03": "starting or shutting down",
}
"""Why workers have stopped, in words where a code says little."""


@dataclass(frozen=True, slots=True)
class QueueContext:
    """What holds for every mailbox: the time, whether all are paused, what workers wait for, and how many workers are alive."""

    now_ms: int
    pause_of_everything: Pause | None
    circuits: Sequence[OpenCircuit]
    workers: int


def describe_mailbox(view: MailboxView, context: QueueContext) -> list[str]:
    """Say what a mailbox waits for; nothing when it is empty and free."""
    now_ms = context.now_ms
    said = []
    if context.pause_of_everything and view.has_events:
        by = describe_pause(context.pause_of_everything, now_ms)
        said.append(f"Everything was paused {by}: `cogento resume --all` resumes it.")
    if view.pause:
        said.append(
            f"Paused {describe_pause(view.pause, now_ms)}: `cogento resume {view.customer_id}` resumes it."
        )
    if view.waiting_total:
        said += [_describe_circuit(circuit, now_ms) for circuit in context.circuits]
        if not context.workers:
            said.append("No worker is running: nothing is processed until one is started.")
    if view.waiting_total and view.state is not None:
        lag = waited(view.waiting[0], now_ms) if view.waiting else ""
        first = f", the first for {lag}" if lag else ""
        said.append(f"{_events(view.waiting_total)}{first}: {_describe_state(view, now_ms)}.")
    if view.state is not MailboxState.SLEEPING and (failed := _failed(view)):
        said.append(f"Earlier, {describe_failure(failed)}.")
    said += _describe_parked(view, now_ms)
    if view.crashes:
        said.append(
            f"Workers crashed {times(view.crashes)} in a row while processing this customer's events."
        )
    return said


def describe_pause(pause: Pause, now_ms: int) -> str:
    """Say who paused it, how long ago, and why: `by ops-1 5 min ago (INC-7)`."""
    who = pause.who or "an operator"
    since = "" if pause.since_ms is None else f" {ago((now_ms - pause.since_ms) / 1000)}"
    return f"by {who}{since}" + (f" ({pause.why})" if pause.why else "")


def describe_failure(event: Listed) -> str:
    """Say how often and why an event failed, or why it waits without having failed."""
    why = " ".join(filter(None, (event.error_class, event.error_code))) or "cause unknown"
    how = f"failed {times(event.attempts)}" if event.attempts else "was postponed"
    return f"{event.event_id} {how} ({why})"


def waited(event: Listed, now_ms: int) -> str:
    """Say how long an event has waited; unknown for one that another release stored."""
    return "" if event.received_ms is None else duration((now_ms - event.received_ms) / 1000)


def _describe_circuit(circuit: OpenCircuit, now_ms: int) -> str:
    known = AWAY.get(circuit.why)
    why = f"{circuit.why}: {known}" if known else circuit.why
    away = duration((now_ms - circuit.since_ms) / 1000)
    if circuit.recovering:
        return f"Workers resume one after the other: {circuit.dependency} was unavailable ({why})."
    return (
        f"Workers are stopped: {circuit.dependency} has been unavailable for {away} ({why}). They resume by "
        f"themselves; the next try is in {_until(circuit.probe_ms, now_ms)}."
    )


def _describe_state(view: MailboxView, now_ms: int) -> str:
    away = duration(abs(now_ms - (view.state_ms or now_ms)) / 1000)
    match view.state:
        case MailboxState.READY:
            return f"queued for {away}"
        case MailboxState.LEASED:
            who = f"worker {view.owner}" if view.owner else "a worker"
            return f"{who} is processing them (lease ends in {away})"
        case MailboxState.SLEEPING:
            failed = _failed(view)
            why = describe_failure(failed) if failed else "it was postponed"
            return f"tried again in {away}, because {why}"
        case _:
            return f"paused for {away}"


def _failed(view: MailboxView) -> Listed | None:
    return next((event for event in view.waiting if event.error_class), None)


def _describe_parked(view: MailboxView, now_ms: int) -> list[str]:
    unreadable = sum(event.received_ms is None for event in view.parked)
    look = (
        "" if view.parked_look_ms is None else f"; looked at again in {_until(view.parked_look_ms, now_ms)}"
    )
    said = []
    if view.parked_total > unreadable:
        parked = _events(view.parked_total - unreadable, verb="waiting for the customer's own event")
        said.append(f"{parked}{look}.")
    if unreadable:
        aside = _events(
            unreadable, verb="set aside for a newer release, which stored what this one cannot read"
        )
        said.append(f"{aside}{look}.")
    return said


def _until(at_ms: int, now_ms: int) -> str:
    return duration(max(at_ms - now_ms, 0) / 1000)


def _events(count: int, *, verb: str = "waiting") -> str:
    return f"1 event is {verb}" if count == 1 else f"{count:,} events are {verb}"


def times(count: int) -> str:
    """`once`, `2 times`."""
    return "once" if count == 1 else f"{count} times"


def describe_workers(versions: Mapping[str, int], idle_seconds: float | None) -> str:
    """Describe the workers in a line: `2 workers (1 of 0.1.0, 1 of 0.2.0), last processed 3 s ago`."""
    alive = sum(versions.values())
    if not alive:
        return "none running"
    workers = "1 worker" if alive == 1 else f"{alive:,} workers"
    settled = "no events processed yet" if idle_seconds is None else f"last processed {ago(idle_seconds)}"
    each = ", ".join(f"{count} of {version}" for version, count in versions.items())
    which = f"version {next(iter(versions))}" if len(versions) == 1 else each
    return f"{workers} ({which}), {settled}"


def describe_shards(shards: ShardCount, workforce: Workforce) -> str:
    """Say how many shards there are, and how far a change of their number has come."""
    if shards.is_changing:
        moved = f"{shards.customers:,} customers with {shards.events:,} events"
        return f"changing from {shards.former} to {shards.current}: moved {moved} so far"
    others = {count: workers for count, workers in workforce.wishes.items() if count != shards.current}
    if not others:
        return f"{shards.current}"
    wanted = ", ".join(f"{count} for {workers}" for count, workers in others.items())
    workers = f"{wanted} of {workforce.alive} workers"
    return (
        f"{shards.current}; MAILBOX_SHARDS is {workers}, and the number changes once it is the same for all"
    )
