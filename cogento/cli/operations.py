"""`cogento status`, `pause` and `resume`: the running system seen, held and released."""

from __future__ import annotations

import click

from cogento.cli.printing import json_option, print_facts, print_json
from cogento.console.connections import open_mailboxes, open_store
from cogento.console.formatting import duration, printable
from cogento.console.messages import describe_workers
from cogento.console.status import read_status
from cogento.events.names import CustomerId


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


customer_argument = click.argument("customer", required=False)
all_option = click.option("--all", "everything", is_flag=True, help="Everyone's events.")


@click.command()
@customer_argument
@all_option
def pause(customer: str | None, *, everything: bool) -> None:
    """Hold back CUSTOMER's events, or everyone's with --all.

    Events are still received, and wait. A batch under way is finished.
    """
    whose = _whose(customer, everything=everything)
    with open_mailboxes() as mailboxes:
        done = mailboxes.pause(whose)
    click.echo(f"{_named(whose)} {'is paused' if done else 'was paused already'}.")


@click.command()
@customer_argument
@all_option
def resume(customer: str | None, *, everything: bool) -> None:
    """Let CUSTOMER's events go on, or everyone's with --all.

    A customer that was paused by name stays paused when --all is resumed.
    """
    whose = _whose(customer, everything=everything)
    with open_mailboxes() as mailboxes:
        done = mailboxes.resume(whose)
    click.echo(f"{_named(whose)} {'goes on' if done else 'was not paused'}.")


def _whose(customer: str | None, *, everything: bool) -> CustomerId | None:
    if everything == bool(customer):
        raise click.UsageError("Name one customer (cus_…), or say --all.")
    return None if customer is None else CustomerId(customer)


def _named(whose: CustomerId | None) -> str:
    return "Everything" if whose is None else printable(whose)
