"""What a mailbox waits for, in plain words: since when, what blocks, who has it, and when it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.console.spans import duration
from cogento.queue.status import MailboxState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.queue.circuit import OpenCircuit
    from cogento.queue.status import Listed, MailboxView

AWAY = {
    "25006": "read-only",
    "42501": "a grant is missing",
    "42P01": "tables are missing",
    "42703": "the tables are older than the workers",
    "53100": "its disk is full",
    "53300": "no connection is left",
    "57P03": "starting or shutting down",
}
"""What workers stop for, in words where a code says little."""


@dataclass(frozen=True, slots=True)
class QueueContext:
    """What holds for every mailbox: the time, whether all are held, what workers wait for, how many live."""

    now_ms: int
    halted: bool
    circuits: Sequence[OpenCircuit]
    workers: int


def describe_mailbox(view: MailboxView, office: QueueContext) -> list[str]:
    """Say what a mailbox waits for; nothing when it is empty and free."""
    now_ms = office.now_ms
    said = []
    if office.halted and (view.waiting_total or view.parked_total):
        said.append("Everything is paused: `cogento resume --all` lets it go on.")
    if view.pause_wanted:
        said.append(f"Paused by an operator: `cogento resume {view.customer_id}` lets it go on.")
    if view.waiting_total:
        said += _describe_workers(office)
    if view.waiting_total and view.state is not None:
        waiting = f"{_events(view.waiting_total)}{_describe_lag(view.waiting, now_ms)}"
        said.append(f"{waiting}: {_describe_state(view, now_ms)}.")
    if view.state is not MailboxState.SLEEPING and (failed := _failed(view)):
        said.append(f"Earlier, {describe_failure(failed)}.")
    said += _describe_parked(view, now_ms)
    if view.crashes:
        said.append(f"Workers have died {_times(view.crashes)} in a row with this customer in hand.")
    return said


def describe_failure(event: Listed) -> str:
    """Say how often and why an event failed, or why it waits without having failed."""
    why = " ".join(filter(None, (event.error_class, event.error_code))) or "cause unknown"
    how = f"failed {_times(event.attempts)}" if event.attempts else "was put off"
    return f"{event.event_id} {how} ({why})"


def waited(event: Listed, now_ms: int) -> str:
    """Say how long an event has waited; it is unknown of one that another release stored."""
    return "" if event.received_ms is None else duration((now_ms - event.received_ms) / 1000)


def _describe_workers(office: QueueContext) -> list[str]:
    """Say why nobody takes any mail, or not yet everybody."""
    said = [_describe_circuit(circuit, office.now_ms) for circuit in office.circuits]
    if not office.workers:
        said.append("No worker takes work: nothing goes on until one is started.")
    return said


def _describe_circuit(circuit: OpenCircuit, now_ms: int) -> str:
    known = AWAY.get(circuit.why)
    why = f"{circuit.why}: {known}" if known else circuit.why
    away = duration((now_ms - circuit.since_ms) / 1000)
    if circuit.recovering:
        return f"Workers come back one after the other: {circuit.dependency} was away ({why})."
    return (
        f"Workers take no mail: they have waited for {circuit.dependency} for {away} ({why}) and go on by "
        f"themselves; it is tried again in {_until(circuit.probe_ms, now_ms)}."
    )


def _describe_lag(waiting: Sequence[Listed], now_ms: int) -> str:
    lag = waited(waiting[0], now_ms) if waiting else ""
    return f", the first for {lag}" if lag else ""


def _describe_state(view: MailboxView, now_ms: int) -> str:
    away = duration(abs(now_ms - (view.state_ms or now_ms)) / 1000)
    match view.state:
        case MailboxState.READY:
            return f"in line for a worker for {away}"
        case MailboxState.LEASED:
            who = f"worker {view.owner}" if view.owner else "a worker"
            return f"{who} has them in hand, for {away} more at most"
        case MailboxState.SLEEPING:
            failed = _failed(view)
            why = describe_failure(failed) if failed else "it was put off"
            return f"tried again in {away}, because {why}"
        case _:
            return f"held for {away}"


def _failed(view: MailboxView) -> Listed | None:
    return next((event for event in view.waiting if event.error_class), None)


def _describe_parked(view: MailboxView, now_ms: int) -> list[str]:
    unreadable = sum(event.received_ms is None for event in view.parked)
    look = (
        "" if view.parked_look_ms is None else f"; looked at again in {_until(view.parked_look_ms, now_ms)}"
    )
    said = []
    if view.parked_total > unreadable:
        parked = _events(view.parked_total - unreadable, verb="parked until the customer's own event arrives")
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


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
