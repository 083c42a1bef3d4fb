"""`cogento status`: the numbers of a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cogento.cli.printing import json_option, print_facts, print_json
from cogento.console.opening import open_mailboxes, open_store
from cogento.console.spans import duration
from cogento.console.standing import read_status
from cogento.console.workers import describe_workers

if TYPE_CHECKING:
    from cogento.console.standing import StatusReport


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show what waits, what was done and what failed."""
    with open_mailboxes() as mailboxes, open_store(name="cogento status") as store:
        standing = read_status(mailboxes, store)
    if as_json:
        print_json(standing)
    else:
        print_facts(_facts(standing))


def _facts(now: StatusReport) -> list[tuple[str, str]]:
    age = now.oldest_event_age_seconds
    return [
        ("received", f"{now.received_total:,} events"),
        *(("taken", why) for why in (now.kept_out,) if why),
        ("applied", f"{now.applied_total:,} events"),
        ("waiting", f"{now.waiting:,} events" + ("" if age is None else f", the oldest for {duration(age)}")),
        (
            "longest",
            ", ".join(f"{id_} for {duration(age)}" for id_, age in now.waits_longest.items()) or "nobody",
        ),
        ("parked", f"{now.parked:,} events, for their customer's own event"),
        ("leased", f"{now.leased:,} customers in a worker's hands"),
        ("sleeping", f"{now.sleeping:,} customers until their next try"),
        ("paused", "everything" if now.everything_paused else f"{now.paused:,} customers with mail"),
        ("dead", f"{now.dead:,} letters that nobody has dealt with{_describe_removals(now)}"),
        ("unsure", f"{now.unsure:,} rows"),
        ("to ask", f"{now.to_ask:,} objects that thin events told of"),
        ("missed", _describe_sweeps(now)),
        ("workers", describe_workers(now.worker_versions, now.idle_seconds)),
        *(("workers wait", f"for {name} ({why})") for name, why in now.waits_for.items()),
        ("a 2xx means", f"{now.ack_durability} ({now.ack_means}, {now.redis}){_warn(now)}"),
        *_describe_losses(now),
    ]


def _warn(now: StatusReport) -> str:
    return f": WARNING, {now.ack_warning}" if now.ack_warning else ""


def _describe_losses(now: StatusReport) -> list[tuple[str, str]]:
    """Say what Redis lost, where it did."""
    if not now.repaired_total and not now.lost_total:
        return []
    return [
        ("redis lost", f"{now.repaired_total:,} from the line, put back; {now.lost_total:,} events for good")
    ]


def _describe_removals(now: StatusReport) -> str:
    return (
        f", {now.dead_removals:,} of them about what has ended and is still shown"
        if now.dead_removals
        else ""
    )


def _describe_sweeps(now: StatusReport) -> str:
    if now.swept_until_seconds_ago is None:
        return "never looked for: Stripe is asked only with STRIPE_API_KEY"
    return f"{now.missing_total:,} events, looked for up to {duration(now.swept_until_seconds_ago)} ago"
