"""The command `cogento`: gathers the commands of all packages.

A command's module is imported when the command is called, so that help and the error for a mistyped word appear at once.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from cogento import VERSION
from cogento.cli.accounts import account_option
from cogento.console.formatting import printable
from cogento.console.local_run import data_option

if TYPE_CHECKING:
    from collections.abc import Callable


class _Entry(NamedTuple):
    """Where a command is defined, and its line in `cogento --help`."""

    module: str
    name: str
    summary: str


COMMANDS = {
    entry.name: entry
    for entry in (
        _Entry(
            "cogento.local.run",
            "run",
            "Start everything on this machine and watch rows arrive; Ctrl-C stops it.",
        ),
        _Entry("cogento.cli.migrate", "migrate", "Bring the tables up to date."),
        _Entry("cogento.cli.adopt", "adopt", "Take over tables that another program made and filled."),
        _Entry(
            "cogento.cli.check",
            "check",
            "Check settings, servers, rights, clocks and the endpoint at Stripe.",
        ),
        _Entry(
            "cogento.cli.status",
            "status",
            "Show what needs attention, what waits, what was done and what failed.",
        ),
        _Entry(
            "cogento.cli.explain",
            "explain",
            "Explain a customer, subscription or event: state, history, what it waits for.",
        ),
        _Entry(
            "cogento.cli.letters",
            "letters",
            "List, explain, retry, discard, reopen and export dead letters.",
        ),
        _Entry(
            "cogento.cli.waiting",
            "waiting",
            "List customers whose events wait: why, since when, and what comes next.",
        ),
        _Entry("cogento.cli.waiting", "pause", "Hold back CUSTOMER's events, or everyone's with --all."),
        _Entry(
            "cogento.cli.waiting",
            "resume",
            "Resume processing of CUSTOMER's events, or everyone's with --all.",
        ),
        _Entry(
            "cogento.cli.waiting",
            "try-now",
            "Try CUSTOMER's events now that are retried later, or wait for the customer's own event.",
        ),
        _Entry("cogento.cli.reconcile", "backfill", "Fill the tables with all that Stripe lists."),
        _Entry("cogento.cli.reconcile", "verify", "Compare the tables with Stripe, and repair them."),
        _Entry("cogento.cli.reconcile", "sweep", "Look for events that no webhook brought."),
        _Entry("cogento.cli.endpoint", "endpoint", "Make and check the webhook endpoint at Stripe."),
        _Entry(
            "cogento.cli.forget", "forget", "Erase the personal data of CUSTOMER everywhere here, for good."
        ),
        _Entry(
            "cogento.cli.changes",
            "changes",
            "List what changed in the tables, a line each; with --follow as it happens.",
        ),
        _Entry("cogento.cli.roles", "roles", "List, grant and revoke users' roles."),
        _Entry(
            "cogento.cli.roles_sql",
            "roles-sql",
            "Print SQL that gives each process a role of its own, with the least rights.",
        ),
        _Entry(
            "cogento.cli.send", "send", "Sign event files and send them to a receiver, one after the other."
        ),
        _Entry("cogento.cli.console", "console", "Serve the console's web pages."),
        _Entry("cogento.cli.console", "password", "Make the console's CONSOLE_PASSWORD_HASH."),
    )
}


OF_ALL_ACCOUNTS = frozenset({"run", "console", "password"})
"""Commands that concern no single account."""


class Commands(click.Group):
    """The commands above, imported when called; each takes --data and, except for OF_ALL_ACCOUNTS, --account."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands' names, in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command of that name."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(importlib.import_module(entry.module), cmd_name.replace("-", "_"))
        _add_option("--data", data_option, command)
        if cmd_name not in OF_ALL_ACCOUNTS:
            _add_option("--account", account_option, command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, with its log apart from what it prints; the console sets up a log of its own."""
        reporting = importlib.import_module("cogento.reporting")
        with reporting.logs_aside():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was typed; the error for an unknown one names those spelt like it."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            alike = difflib.get_close_matches(name, COMMANDS)
            meant = f" Did you mean {' or '.join(alike)}?" if alike else " `cogento --help` lists them."
            ctx.fail(f"No such command {printable(name)}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name without importing any."""
        named = [
            CompletionItem(name, help=entry.summary)
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return named + click.Command.shell_complete(self, ctx, incomplete)


def _add_option(name: str, make: Callable[[], click.Option], command: click.Command) -> None:
    """Add an option to a command, or to each of a group, unless it has one of that name."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _add_option(name, make, each)
    elif all(name not in option.opts for option in command.params):
        command.params.append(make())


@click.group(cls=Commands)
@click.version_option(VERSION, prog_name="cogento")
def main() -> None:
    """Copy Stripe's customers, subscriptions and whatever else has a table into PostgreSQL, and keep the copy correct."""
