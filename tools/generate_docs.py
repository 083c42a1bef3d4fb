"""Write the pages that are made from the code, docs/cli.md and docs/decisions/README.md: `make docs`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cogento.cli.accounts import account_option
from cogento.cli.main import main
from cogento.console.local_run import data_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[1]
DECISIONS = ROOT / "docs" / "decisions"
TITLE = re.compile(r"# (\d+)\. (.+)")
SHARED = {option.help for option in (data_option(), account_option())}
"""Options of nearly every command, which the page describes once, at its top."""

COMMANDS_OPENING = """\
# Commands

<!-- Made by `make docs` from the commands themselves; a test compares. -->

Every command answers `--help`. In a clone `cogento` is `.venv/bin/cogento`; on Heroku it is `heroku run cogento …`, in Compose
`docker compose exec worker cogento …`; where only the packages are installed, `python -m cogento`.

**Which servers a command asks.** In the folder of a `cogento run` it finds that run's servers by itself, and with `--data DIR` those of any other run.
Elsewhere `DATABASE_URL` and `REDIS_URL` name them, and `STRIPE_API_KEY` the account, for commands that ask Stripe ([settings](settings.md)).

**Which account.** Where `STRIPE_ACCOUNTS` or a `cogento run --accounts N` names several ([accounts](accounts.md)), a command is about the one that `--account NAME` or `COGENTO_ACCOUNT` names. Without either,
`migrate`, `check` and `roles-sql` go through all of them, and every other command but `run`, `console` and `password`, and `send --url`, ends with 78.

**Exit codes.**

| code | means |
| --- | --- |
| 0 | done; for `check`, nothing is bad |
| 1 | it did not work this time: a server is away, an id is unknown (`explain`), a letter died again (`letters retry --wait`), an answer was not 2xx (`send`) |
| 2 | the command line was not understood |
| 3 | `verify`: something differs |
| 4 | `verify`: nothing was found to differ, and something could not be compared |
| 78 | it cannot work as configured: the message names the setting |

`cogento status --check` has [codes of its own](operations.md#checks-by-a-scheduler-or-monitor), those of monitoring plugins.

**Completion** of commands and options: `eval "$(_COGENTO_COMPLETE=bash_source cogento)"` in `~/.bashrc`; `zsh_source` for zsh; for fish `_COGENTO_COMPLETE=fish_source cogento | source`.
"""

DECISIONS_OPENING = """\
# Decisions

<!-- Made by `make docs` from the titles of the pages; a test compares. -->

Half a page for each decision that was not obvious: what the situation was, what was decided, what was given up for it. A number is never used twice, and one that is missing was
never published.

"""


def commands_page() -> str:
    """Return docs/cli.md: every command with its help and options."""
    with click.Context(main, info_name="cogento") as context:
        sections = list(_sections(main, context, 2))
    return "\n".join((COMMANDS_OPENING, *sections)).rstrip("\n") + "\n"


def decisions_page() -> str:
    """Return docs/decisions/README.md: every decision's number and title. Raises ValueError for a page without."""
    lines = []
    for page in sorted(DECISIONS.glob("[0-9]*.md")):
        first = page.read_text(encoding="utf-8").split("\n", 1)[0]
        found = TITLE.fullmatch(first)
        if found is None:
            raise ValueError(f"{page} must begin with `# <number>. <title>`, not with {first!r}.")
        lines.append(f"- [{found[1]}]({page.name}) {found[2]}")
    return DECISIONS_OPENING + "\n".join(lines) + "\n"


def _sections(group: click.Group, parent: click.Context, level: int) -> Iterator[str]:
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        if command is None:
            raise ValueError(f"{group.name} lists {name} and does not have it.")
        with click.Context(command, info_name=name, parent=parent) as context:
            usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
            yield f"{'#' * level} `{context.command_path}`\n\n```\n{usage}\n```\n\n{_paragraphs(command.help or '')}\n"
            yield from _options(
                [
                    option
                    for option in command.get_params(context)
                    if isinstance(option, click.Option)
                    and "--help" not in option.opts
                    and option.help not in SHARED
                ]
            )
            if isinstance(command, click.Group):
                yield from _sections(command, context, level + 1)


def _paragraphs(text: str) -> str:
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.replace("\b", "").split("\n\n")]
    return "\n\n".join(paragraph.replace("<", "&lt;") for paragraph in paragraphs)


def _options(options: Sequence[click.Option]) -> Iterator[str]:
    if options:
        rows = [f"| `{_spelled(option)}` | {_explained(option)} |" for option in options]
        yield "\n".join(("| option | |", "| --- | --- |", *rows)) + "\n"


def _spelled(option: click.Option) -> str:
    names = " / ".join((*option.opts, *option.secondary_opts))
    if option.is_flag:
        return names
    return f"{names} {option.metavar or option.type.name.upper().removesuffix(' RANGE')}"


def _explained(option: click.Option) -> str:
    parts = [(option.help or "").replace("|", "\\|")]
    if isinstance(option.type, click.Choice):
        parts.append("One of " + ", ".join(f"`{_value(choice)}`" for choice in option.type.choices) + ".")
    if option.show_default and option.default is not None:
        parts.append(f"Default: `{_value(option.default)}`.")
    return " ".join(part for part in parts if part)


def _value(value: object) -> str:
    return str(getattr(value, "value", value))


if __name__ == "__main__":
    (ROOT / "docs" / "cli.md").write_text(commands_page(), encoding="utf-8")
    (DECISIONS / "README.md").write_text(decisions_page(), encoding="utf-8")
