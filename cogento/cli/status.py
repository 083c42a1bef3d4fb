"""`cogento status`: the numbers of a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cogento.cli.printing import json_option, print_facts, print_json
from cogento.console.opening import opened_mailboxes, opened_store
from cogento.console.spans import span
from cogento.console.standing import read_standing
from cogento.console.workers import tell_workers

if TYPE_CHECKING:
    from cogento.console.standing import Standing


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show what waits, what was done and what failed."""
    with opened_mailboxes() as mailboxes, opened_store(name="cogento status") as store:
        standing = read_standing(mailboxes, store)
    if as_json:
        print_json(standing)
    else:
        print_facts(_facts(standing))


def _facts(now: Standing) -> list[tuple[str, str]]:
    age = now.oldest_event_age_seconds
    return [
        ("received", f"{now.received_total:,} events"),
        *(("taken", why) for why in (now.kept_out,) if why),
        ("applied", f"{now.applied_total:,} events"),
        ("waiting", f"{now.waiting:,} events" + ("" if age is None else f", the oldest for {span(age)}")),
        (
            "longest",
            ", ".join(f"{id_} for {span(age)}" for id_, age in now.waits_longest.items()) or "nobody",
        ),
        ("parked", f"{now.parked:,} events, for their customer's own event"),
        ("leased", f"{now.leased:,} customers in a worker's hands"),
        ("sleeping", f"{now.sleeping:,} customers until their next try"),
        ("paused", "everything" if now.everything_paused else f"{now.paused:,} customers with mail"),
        ("dead", f"{now.dead:,} letters that nobody has dealt with{_tell_removals(now)}"),
        ("unsure", f"{now.unsure:,} rows"),
        ("to ask", f"{now.to_ask:,} objects that thin events told of"),
        ("missed", _tell_sweeps(now)),
        ("workers", tell_workers(now.worker_versions, now.idle_seconds)),
        *(("workers wait", f"for {name} ({why})") for name, why in now.waits_for.items()),
        ("a 2xx means", f"{now.ack_durability} ({now.ack_means}, {now.redis}){_warn(now)}"),
        *_tell_losses(now),
    ]


def _warn(now: Standing) -> str:
    return f": WARNING, {now.ack_warning}" if now.ack_warning else ""


def _tell_losses(now: Standing) -> list[tuple[str, str]]:
    """Say what Redis lost, where it did."""
    if not now.repaired_total and not now.lost_total:
        return []
    return [
        ("redis lost", f"{now.repaired_total:,} from the line, put back; {now.lost_total:,} events for good")
    ]


def _tell_removals(now: Standing) -> str:
    return (
        f", {now.dead_removals:,} of them about what has ended and is still shown"
        if now.dead_removals
        else ""
    )


def _tell_sweeps(now: Standing) -> str:
    if now.swept_until_seconds_ago is None:
        return "never looked for: Stripe is asked only with STRIPE_API_KEY"
    return f"{now.missing_total:,} events, looked for up to {span(now.swept_until_seconds_ago)} ago"
