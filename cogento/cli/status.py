"""`cogento status`: what needs attention, and the figures behind it; for people, monitors and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cogento.cli.printing import json_option, print_facts, print_json
from cogento.console.alerting import Alerts, AlertWebhook
from cogento.console.attention import Tone
from cogento.console.connections import open_mailboxes, open_store
from cogento.console.errors import Failure, friendly_errors
from cogento.console.formatting import counted, duration, printable
from cogento.console.queue_messages import describe_workers
from cogento.console.status import Level, read_status
from cogento.settings import EX_CONFIG, AlertSettings, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.console.status import Status, StatusReport
    from cogento.queue.mailboxes import Mailboxes

MARKS = {Tone.BAD: "!!", Tone.BUSY: " !", Tone.NONE: "  ", Tone.GOOD: "  "}
COLOURS = {Tone.BAD: "red", Tone.BUSY: "yellow", Tone.GOOD: "green", Tone.NONE: None}


@click.command()
@click.option(
    "--check",
    is_flag=True,
    help="Print the verdict alone, and end with 0, 1, 2 or 3 as plugins of Nagios do.",
)
@json_option
@click.pass_context
def status(ctx: click.Context, *, check: bool, as_json: bool) -> None:
    """Show what needs attention, what waits, what was done and what failed.

    A server that is away leaves its figures out. Without --check that ends with 1 or 78. With --check the exit code is 0
    (good), 1 (warning: something for the morning), 2 (critical: a server, all workers or an end in Stripe is concerned) or
    3 (unknown: it could not be asked).
    """
    try:
        with open_mailboxes() as mailboxes, open_store(name="cogento status") as store:
            now = read_status(mailboxes, store)
            if check:
                _alert(now.report, mailboxes)
    except (Failure, SystemExit) as error:
        if not check:
            raise
        if isinstance(error, Failure):
            click.echo(f"{Level.UNKNOWN.name}: {error.message}")
        ctx.exit(Level.UNKNOWN)
    if as_json:
        plain = {name: getattr(now.report, name) for name in now.report.__dataclass_fields__}
        print_json({"level": now.report.level.name.lower(), **plain})
    else:
        _print_verdict(now.report, level=now.report.level.name if check else None)
        if not check:
            click.echo()
            print_facts(list(_facts(now.report)))
    if check:
        ctx.exit(now.report.level)
    failure = _worst(now)
    if failure is None:
        return
    if not as_json and _has_told(now.report, failure.message):
        ctx.exit(failure.exit_code)
    raise failure


def _alert(report: StatusReport, mailboxes: Mailboxes) -> None:
    """Send ALERT_WEBHOOK_URL what has changed since the last check."""
    settings = load(AlertSettings)
    if settings.alert_webhook_url:
        webhook = AlertWebhook(settings.alert_webhook_url.get_secret_value())
        alerts = Alerts(webhook, mailboxes.sent_alerts, deployment=settings.deployment, hold_seconds=0)
        alerts.update(report.verdict.lines)


def _print_verdict(report: StatusReport, *, level: str | None) -> None:
    verdict = report.verdict
    headline = f"{level}: {verdict.headline}" if level else verdict.headline
    click.secho(f"{headline}.", bold=True, fg=COLOURS[verdict.tone])
    width = max((len(line.label) for line in verdict.lines), default=0)
    for line in verdict.lines:
        click.echo(f"{MARKS[line.tone]} {printable(line.label):<{width}}  {printable(line.text)}")
    if verdict.detail:
        click.echo(f"   {verdict.detail}")


def _facts(now: StatusReport) -> Iterator[tuple[str, object]]:
    """Yield the figures, those of Redis first; the verdict has said what is wrong with a server that is away."""
    if now.received_total is not None:
        yield from _queue_facts(now)
    if now.dead is not None:
        yield from _table_facts(now)


def _queue_facts(now: StatusReport) -> Iterator[tuple[str, object]]:
    age, paused_age = now.oldest_event_age_seconds, now.oldest_paused_age_seconds
    oldest = "" if age is None else f", the oldest for {duration(age)}"
    held = "" if paused_age is None else f", the oldest event for {duration(paused_age)}"
    longest = ", ".join(f"{id_} for {duration(age)}" for id_, age in (now.waits_longest or {}).items())
    yield "received", counted(now.received_total, "event")
    if now.kept_out:
        yield "taken", now.kept_out
    yield "waiting", f"{counted(now.waiting, 'event')}{oldest}"
    yield "longest wait", longest or "none"
    yield "in progress", counted(now.leased, "customer")
    yield "retrying later", counted(now.sleeping, "customer")
    yield (
        "paused",
        f"{'everything' if now.everything_paused else counted(now.paused, 'customer') + ' with events'}{held}",
    )
    yield "waiting for their customer", counted(now.parked, "event")
    yield "workers", describe_workers(now.worker_versions or {}, now.idle_seconds)
    for name, why in (now.waits_for or {}).items():
        yield "workers wait", f"for {name} ({why})"
    if now.shards != "1":
        yield "shards", now.shards
    if now.ack_durability:
        warning = f": WARNING, {now.ack_warning}" if now.ack_warning else ""
        yield "accepted means", f"{now.ack_durability} ({now.ack_means}, {now.redis}){warning}"
    else:
        yield "accepted means", now.redis_problem
    if now.repaired_total or now.lost_total:
        yield (
            "redis lost",
            f"{now.repaired_total:,} from the line, put back; {now.lost_total:,} events for good",
        )


def _table_facts(now: StatusReport) -> Iterator[tuple[str, object]]:
    ends = (
        f", {now.dead_removals:,} of them cancellations or deletions that rows do not show"
        if now.dead_removals
        else ""
    )
    swept = now.swept_until_seconds_ago
    yield "applied", counted(now.applied_total, "event")
    yield "dead letters", f"{now.dead:,} open{ends}"
    yield "ambiguous", counted(now.unsure, "row")
    yield "to fetch", f"{counted(now.to_ask, 'object')} named by thin events"
    yield (
        "missed webhooks",
        "never looked for: Stripe is asked only with STRIPE_API_KEY"
        if swept is None
        else f"{now.missing_total:,} recovered in all; checked up to {duration(swept)} ago",
    )


def _worst(now: Status) -> Failure | None:
    """Return the failure to end with where a server is away: a refusal that only other settings change comes first."""
    failures = []
    for error in now.errors:
        try:
            with friendly_errors():
                raise error
        except Failure as failure:
            failures.append(failure)
    return min(failures, key=lambda one: one.exit_code != EX_CONFIG, default=None)


def _has_told(report: StatusReport, message: str) -> bool:
    """Tell whether the printed report says this already."""
    printed = (*(line.text for line in report.verdict.lines), report.redis_problem or "")
    return any(message in one for one in printed)
