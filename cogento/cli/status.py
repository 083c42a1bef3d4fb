"""`cogento status`: what waits, what was done, what failed, and what needs attention."""

from __future__ import annotations

import click

from cogento.cli.printing import json_option, print_facts, print_json
from cogento.console.connections import open_mailboxes, open_store
from cogento.console.formatting import duration
from cogento.console.messages import describe_workers
from cogento.console.status import read_status


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show what waits, what was done and what failed."""
    with open_mailboxes() as mailboxes, open_store(name="cogento status") as store:
        now = read_status(mailboxes, store)
    if as_json:
        print_json(now)
        return
    age = now.oldest_event_age_seconds
    oldest = "" if age is None else f", the oldest for {duration(age)}"
    paused_age = now.oldest_paused_age_seconds
    held = "" if paused_age is None else f", the oldest event for {duration(paused_age)}"
    longest = ", ".join(f"{id_} for {duration(age)}" for id_, age in now.waits_longest.items())
    removals = f", {now.dead_removals:,} of them about what has ended and is still shown"
    swept = now.swept_until_seconds_ago
    lost = f"{now.repaired_total:,} from the line, put back; {now.lost_total:,} events for good"
    warning = f": WARNING, {now.ack_warning}" if now.ack_warning else ""
    print_facts(
        [
            ("received", f"{now.received_total:,} events"),
            *(("taken", why) for why in (now.kept_out,) if why),
            ("applied", f"{now.applied_total:,} events"),
            ("waiting", f"{now.waiting:,} events{oldest}"),
            ("longest", longest or "nobody"),
            ("parked", f"{now.parked:,} events, for their customer's own event"),
            ("leased", f"{now.leased:,} customers in a worker's hands"),
            ("sleeping", f"{now.sleeping:,} customers until their next try"),
            (
                "paused",
                f"{'everything' if now.everything_paused else f'{now.paused:,} customers with mail'}{held}",
            ),
            (
                "dead",
                f"{now.dead:,} letters that nobody has dealt with{removals if now.dead_removals else ''}",
            ),
            ("unsure", f"{now.unsure:,} rows"),
            ("to ask", f"{now.to_ask:,} objects that thin events told of"),
            (
                "missed",
                "never looked for: Stripe is asked only with STRIPE_API_KEY"
                if swept is None
                else f"{now.missing_total:,} events, looked for up to {duration(swept)} ago",
            ),
            ("workers", describe_workers(now.worker_versions, now.idle_seconds)),
            *(("workers wait", f"for {name} ({why})") for name, why in now.waits_for.items()),
            ("a 2xx means", f"{now.ack_durability} ({now.ack_means}, {now.redis}){warning}"),
            *((("redis lost", lost),) if now.repaired_total or now.lost_total else ()),
        ]
    )
