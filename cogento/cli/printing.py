"""Answers on a terminal: lines for people, JSON for programs.

The only place where commands print, so that foreign text reaches no terminal unescaped.
"""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click

from cogento.console.findings import Grade
from cogento.console.formatting import plain, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.console.findings import Finding

WIDTH = 100
MAX_TEXT_LENGTH = 1000
COLOURS = {Grade.GOOD: "green", Grade.WARNING: "yellow", Grade.BAD: "red"}

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def print_json(value: object) -> None:
    """Print a value of frozen dataclasses, dictionaries and lists; times in ISO 8601."""
    click.echo(json.dumps(value, default=plain, indent=2))


def print_title(text: str) -> None:
    """Print a title for the lines below, with an empty line above it."""
    click.echo()
    click.secho(text, bold=True)


def print_facts(facts: Sequence[tuple[str, object]]) -> None:
    """Print names and values in two columns."""
    width = max((len(name) for name, _ in facts), default=0)
    for name, value in facts:
        click.echo(f"{name:<{width}}  {printable(value)}")


def print_findings(findings: Sequence[Finding]) -> None:
    """Print findings, a line each, with advice under those that have some."""
    width = max((len(finding.subject) for finding in findings), default=0)
    for finding in findings:
        grade = click.style(f"{finding.grade:<7}", fg=COLOURS[finding.grade])
        lines = textwrap.wrap(printable(finding.text, longest=MAX_TEXT_LENGTH), WIDTH - width - 11) or [""]
        click.echo(f"{grade}  {finding.subject:<{width}}  {lines[0]}")
        advice = textwrap.wrap(printable(finding.advice, longest=MAX_TEXT_LENGTH), WIDTH - width - 11)
        for line in (*lines[1:], *advice):
            click.echo(" " * (width + 11) + line)


def print_table(
    heads: Sequence[str], rows: Sequence[Sequence[object]], *, below: Sequence[str] | None = None
) -> None:
    """Print rows under their heads, each column as wide as its widest value.

    `below` has a text for each row, which is printed under it in lines of at most WIDTH characters.
    """
    lines = [tuple(heads), *(tuple(map(printable, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = ("", *(below or ("",) * len(rows)))
    for line, text in zip(lines, texts, strict=True):
        click.echo("  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip())
        for part in textwrap.wrap(printable(text), WIDTH, initial_indent="  ", subsequent_indent="  "):
            click.echo(part)
